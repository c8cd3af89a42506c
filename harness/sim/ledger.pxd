# C types of ledger.py, for the compiled kernel; Python does not read this file.
cimport cython
from harness.engine.core cimport Batch, Ticket

cdef class Ledger:
    cdef public list served_ids
    cdef public list batch_ids
    cdef public list sizes
    cdef public list started_s
    cdef public list finished_s
    cdef public list cores
    cdef public list replicas
    cdef public list shed_ids
    cdef public list shed_s
    cdef public list reasons
    @cython.locals(ticket=Ticket)
    cpdef served(self, Batch batch, double finished_s)
    cpdef shed(self, Ticket ticket, double now_s, str reason)
