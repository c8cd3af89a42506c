# C types of core.py, for the compiled kernel; Python does not read this file.
cimport cython
from libc.stdint cimport int64_t
from harness.engine.queue cimport WaitingLine
from harness.engine.window cimport Window

cdef double UNKNOWN_S

cdef class Ticket:
    cdef public int64_t id
    cdef public double arrived_s
    cdef public double deadline_s

cdef class Place:
    cdef public str name
    cdef public double cores
    cdef public Py_ssize_t threads
    cdef public bint draining
    cdef public Py_ssize_t batches
    cdef public double soonest_s

cdef class Act:
    pass

cdef class Batch(Act):
    cdef public int64_t id
    cdef public Place place
    cdef public list tickets
    cdef public double started_s
    cdef public double cores

cdef class Shed(Act):
    cdef public Ticket ticket
    cdef public str reason

cdef class Wake(Act):
    cdef public double until_s

cdef class Core:
    cdef public WaitingLine line
    cdef public Window window
    cdef public dict places
    cdef public dict batches
    cdef object _predict_s
    cdef object _fastest_s
    cdef int64_t _next_batch_id
    cdef public Py_ssize_t batch_size
    cdef public double timeout_s
    cdef public Py_ssize_t batches_in_flight
    cdef public bint close_idle
    cdef public bint close_timeout
    cdef public bint drops
    cdef public bint drops_hopeless
    cpdef list arrive(self, double now_s, Ticket ticket)
    @cython.locals(batch=Batch, late=Py_ssize_t, ticket=Ticket)
    cpdef list finish(self, double now_s, int64_t batch_id)
    @cython.locals(batch=Batch)
    cpdef list fail(self, double now_s, int64_t batch_id)
    @cython.locals(line=WaitingLine, place=Place, leave_s=double, acts=list)
    cpdef list dispatch(self, double now_s)
    @cython.locals(line=WaitingLine, ticket=Ticket, soonest_s=double)
    cdef _shed(self, double now_s, Place place, list acts)
    cdef double _soonest_s(self, Place place) except? -2
    @cython.locals(head=Ticket)
    cdef double _leave_s(self, double now_s, double cores) except? -2
    @cython.locals(line=WaitingLine, chosen=list, batch=Batch)
    cdef Batch _start(self, double now_s, Place place, list acts)
    @cython.locals(best=Place, place=Place, fewest=Py_ssize_t)
    cdef Place _free_place(self)
    cdef _release(self, Place place)
