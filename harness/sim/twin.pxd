# C types of twin.py, for the compiled kernel; Python does not read this file.
cimport cython
from libc.stdint cimport int64_t
from harness.engine.core cimport Act, Batch, Core, Shed, Ticket, Wake
from harness.sim.ledger cimport Ledger
from harness.sim.machine cimport Machine
from harness.sim.service cimport ServiceTimes

cdef double NEVER_S

cdef class Event:
    cpdef happen(self, Twin twin, double now_s)

cdef class Finish(Event):
    cdef Machine _machine
    cdef Py_ssize_t _version

cdef class WakeUp(Event):
    cdef Py_ssize_t _serial

cdef class Call(Event):
    cdef object _act

cdef class Twin:
    cdef public Core core
    cdef public dict machines
    cdef public Py_ssize_t outstanding
    cdef public double last_s
    cdef ServiceTimes _service
    cdef Ledger _ledger
    cdef object _feed
    cdef list _events
    cdef Py_ssize_t _serial
    cdef Py_ssize_t _wake_serial
    cdef bint _more
    @cython.locals(first=int64_t, times_s=double[::1], deadlines_s=double[::1], at=Py_ssize_t, end=Py_ssize_t,
                   events=list, core=Core, due_s=double, t_s=double, ticket=Ticket, event=Event, acts=list)
    cpdef run(self)
    @cython.locals(batch=Batch, acts=list)
    cdef finish(self, double now_s, Machine machine)
    cdef wake(self, double now_s, Py_ssize_t serial)
    @cython.locals(machine=Machine)
    cpdef perform(self, double now_s, list acts)
    cdef _push(self, double t_s, int kind, Event event)
