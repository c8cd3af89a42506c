# C types of window.py, for the compiled kernel; Python does not read this file.
cimport cython
from libc.stdint cimport int64_t

cdef Py_ssize_t _ROOM

cdef class Arrivals:
    cdef int64_t[::1] ids
    cdef double[::1] arrived_s
    cdef double[::1] deadlines_s
    cdef Py_ssize_t first
    cdef Py_ssize_t end
    cdef Py_ssize_t _room
    @cython.locals(at=Py_ssize_t)
    cpdef add(self, int64_t id_, double arrived_s, double deadline_s)
    cpdef forget_before(self, double horizon_s)
    @cython.locals(low=Py_ssize_t, high=Py_ssize_t, middle=Py_ssize_t, arrived_s=double[::1])
    cpdef Py_ssize_t first_younger(self, double now_s, double age_s)
    @cython.locals(at=Py_ssize_t)
    cpdef since(self, double horizon_s)
    @cython.locals(first=Py_ssize_t, end=Py_ssize_t)
    cdef _make_room(self)

cdef class Services:
    cdef double[::1] ended_s
    cdef int64_t[::1] batch_sizes
    cdef double[::1] cores
    cdef double[::1] service_s
    cdef Py_ssize_t first
    cdef Py_ssize_t end
    cdef Py_ssize_t _room
    @cython.locals(at=Py_ssize_t)
    cpdef add(self, double ended_s, int64_t batch_size, double cores, double service_s)
    cpdef forget_before(self, double horizon_s)
    @cython.locals(at=Py_ssize_t)
    cpdef since(self, double horizon_s)
    @cython.locals(first=Py_ssize_t, end=Py_ssize_t)
    cdef _make_room(self)

@cython.locals(low=Py_ssize_t, high=Py_ssize_t, middle=Py_ssize_t)
cdef Py_ssize_t _first_not_before(double[::1] times_s, Py_ssize_t first, Py_ssize_t end, double horizon_s)

cdef class Window:
    cdef public double window_s
    cdef public Arrivals _arrivals
    cdef public Services _services
    cdef Py_ssize_t _arrived
    cdef Py_ssize_t _served
    cdef Py_ssize_t _dropped
    cdef Py_ssize_t _failed
    cdef Py_ssize_t _late
    cpdef note_arrival(self, int64_t id_, double arrived_s, double deadline_s)
    cpdef note_service(self, double now_s, Py_ssize_t batch_size, double cores, double service_s, Py_ssize_t late)
    cpdef dropped(self)
    cpdef failed(self, Py_ssize_t requests)
