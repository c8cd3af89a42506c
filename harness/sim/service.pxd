# C types of service.py, for the compiled kernel; Python does not read this file.
cimport cython

cdef class ServiceTimes:
    cdef object _latency
    cdef dict _ratios
    cdef object _generator
    cdef list _factors
    cdef Py_ssize_t _started
    cdef dict _known
    cdef list _uniform
    cdef Py_ssize_t _next
    cpdef double mean_s(self, Py_ssize_t batch, double cores) except? -2
    @cython.locals(times_s=list)
    cpdef double draw_s(self, Py_ssize_t batch, double cores) except? -2
    @cython.locals(factor=double)
    cdef double _next_factor(self) except? -2
    @cython.locals(at=Py_ssize_t)
    cdef double _one_of(self, list times_s) except? -2
