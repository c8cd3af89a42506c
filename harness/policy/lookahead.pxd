# C types of lookahead.py, for the compiled kernel; Python does not read this file.
cimport cython
from libc.stdint cimport int64_t, uint8_t
from harness.policy.work cimport Work as WorkType

cdef Py_ssize_t EVERYBODY
cdef double NEVER_S
cdef Py_ssize_t WINDOWS
cdef Py_ssize_t PARTS
cdef double SURELY_S

cdef class ServiceTable:
    cdef public double[::1] mean_s
    cdef public double[::1] tail_s
    cdef public double[::1] least_each_s
    cdef public double[::1] least_tail_s

cdef class _Count:
    cdef public bint bound
    cdef WorkType _work
    cdef Py_ssize_t _batch
    cdef ServiceTable _table
    @cython.locals(work=WorkType, table=ServiceTable, batch=Py_ssize_t, came_s=double[::1], deadlines_s=double[::1],
                   mean_s=double[::1], tail_s=double[::1], shift_s=double, margin_s=double, alone_s=double,
                   at=Py_ssize_t, end=Py_ssize_t, missed=Py_ssize_t, now_s=double, line=_Line, release_s=double,
                   before=Py_ssize_t, earliest_s=double, deadline_s=double, size=Py_ssize_t, charged=Py_ssize_t)
    cpdef Py_ssize_t run(self, double free_s, Py_ssize_t most)

cdef class _Line:
    cdef Py_ssize_t many
    cdef double[::1] _queue_s
    cdef Py_ssize_t _next
    cdef Py_ssize_t _queue_end
    cdef Py_ssize_t _all
    cdef int64_t[::1] _by_deadline
    cdef int64_t[::1] _rank
    cdef double[::1] _deadlines_s
    cdef double _shift_s
    cdef double _margin_s
    cdef uint8_t[::1] _here
    cdef bint _has_marks
    cdef Py_ssize_t _marks
    cdef Py_ssize_t _low
    @cython.locals(row=Py_ssize_t, rank=Py_ssize_t, low=Py_ssize_t, here=uint8_t[::1], ranks=int64_t[::1])
    cdef void join(self, Py_ssize_t first, Py_ssize_t end)
    cdef Py_ssize_t leave_before(self, double limit_s)
    cdef Py_ssize_t leave(self, Py_ssize_t size, double late_s)
    @cython.locals(here=uint8_t[::1], by_deadline=int64_t[::1], deadlines_s=double[::1], queue_s=double[::1],
                   shift_s=double, margin_s=double, queue_end=Py_ssize_t, low=Py_ssize_t, marks=Py_ssize_t,
                   at=Py_ssize_t, left=Py_ssize_t, before=Py_ssize_t, from_queue=bint, deadline_s=double)
    cdef Py_ssize_t _leave(self, Py_ssize_t most, double limit_s, Py_ssize_t others)

cdef class Option:
    cdef public double cores
    cdef public Py_ssize_t batch
    cdef public ServiceTable table

cdef class Demand:
    cdef Py_ssize_t _parts
    cdef double[::1] _began_s
    cdef double[::1] _latest_s
    cdef int64_t[::1] _sizes
    cdef Py_ssize_t _pairs
    cdef int64_t[::1] _counts
    cdef double[::1] _spans_s
    cdef double _budget_s
    @cython.locals(came_s=double[::1], deadlines_s=double[::1], shift_s=double, margin_s=double, latest_s=double,
                   budget_s=double, at=Py_ssize_t, deadline_s=double, release_s=double)
    cdef void _look_at(self, WorkType work, Py_ssize_t first, Py_ssize_t end, double began_s)
    cdef void _part(self, double began_s, double latest_s, Py_ssize_t size, double budget_s)
    @cython.locals(first=Py_ssize_t, last=Py_ssize_t, due_s=double, count=int64_t)
    cdef void _pair(self)
    @cython.locals(table=ServiceTable, batch=Py_ssize_t, least_tail_s=double, per_request_s=double, index=Py_ssize_t,
                   counts=int64_t[::1], spans_s=double[::1])
    cpdef bint exceeds(self, Option option)

cdef class _Search:
    cdef list _works
    cdef double _free_s
    cdef Demand _demand
    cdef Option _refused
    cpdef forget(self)
    @cython.locals(worst=Py_ssize_t, index=Py_ssize_t, missed=Py_ssize_t, count=_Count, work=WorkType)
    cpdef Py_ssize_t worst(self, Option option, Py_ssize_t most)
    @cython.locals(last=Option, tail_s=double[::1])
    cdef bint _is_no_better(self, Option option)
