# C types of queue.py, for the compiled kernel; Python does not read this file.
cimport cython
from libc.stdint cimport int64_t

cdef class WaitingLine:
    cdef public bint edf
    cdef public Py_ssize_t many
    cdef int64_t _serial
    cdef Py_ssize_t _room
    cdef double[::1] _keys
    cdef int64_t[::1] _serials
    cdef list _requests
    cpdef push(self, request, double deadline_s)
    cpdef head(self)
    @cython.locals(last=Py_ssize_t, key=double, serial=int64_t)
    cpdef pop(self)
    @cython.locals(keys=double[::1], serials=int64_t[::1], requests=list, at=Py_ssize_t, child=Py_ssize_t,
                   right=Py_ssize_t, many=Py_ssize_t)
    cdef Py_ssize_t _hole(self)
    @cython.locals(keys=double[::1], serials=int64_t[::1], requests=list, above=Py_ssize_t)
    cdef void _put(self, Py_ssize_t at, double key, int64_t serial, request)
