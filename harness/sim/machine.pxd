# C types of machine.py, for the compiled kernel; Python does not read this file.
cimport cython
from harness.engine.core cimport Batch
from harness.sim.service cimport ServiceTimes

cdef class Machine:
    cdef public str name
    cdef public double cores
    cdef public Py_ssize_t threads
    cdef public Py_ssize_t version
    cdef public Batch running
    cdef public double ends_s
    cdef ServiceTimes _service
    cdef double _speed_cores
    cdef Py_ssize_t _batch_threads
    cdef list _held
    cdef double _busy_core_s
    cdef double _since_s
    cpdef bint take(self, double now_s, Batch batch) except -1
    cpdef bint finish(self, double now_s) except -1
    @cython.locals(batch=Batch, speed_cores=double, size=Py_ssize_t, ratio=double)
    cpdef bint resize(self, double now_s, double cores) except -1
    cdef _begin(self, double now_s, Batch batch)
    cdef _account(self, double now_s)
