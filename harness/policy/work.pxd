# C types of work.py, for the compiled kernel; Python does not read this file.
cimport cython
from libc.stdint cimport int64_t

cdef class Came:
    cdef public Py_ssize_t many
    cdef public double[::1] times_s
    cdef public double[::1] deadlines_s
    cdef public int64_t[::1] by_deadline
    cdef public int64_t[::1] rank

cdef class Work:
    cdef public double now_s
    cdef public double[::1] waiting_s
    cdef public Py_ssize_t waiting
    cdef public Came came
    cdef public Py_ssize_t first
    cdef public Py_ssize_t end
    cdef public double shift_s
    cdef public double margin_s

cdef class Past:
    cdef public double now_s
    cdef public Came came
    cdef public double margin_s
    cdef public list waiting_s
    cdef Work _work(self, list waiting_s, Py_ssize_t first, Py_ssize_t end, double shift_s)
    @cython.locals(came_s=double[::1], now_s=double, low=Py_ssize_t, high=Py_ssize_t, middle=Py_ssize_t)
    cdef Py_ssize_t _first_beyond(self, double shift_s, double length_s)

@cython.locals(many=Py_ssize_t, sizes=int64_t[::1], counts=double[::1], times_s=double[::1], ratios=double[::1],
               predicted_s=dict, found=Py_ssize_t, last_batch=int64_t, last_cores=double, last_s=double, half=Py_ssize_t,
               at=Py_ssize_t, batch=int64_t, core_count=double)
cpdef median_ratio(batch_sizes, cores, service_s, predict_s, Py_ssize_t least)
