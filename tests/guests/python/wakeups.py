"""How does an event go on when another event completes what it awaits?

componentize-py gives each event a list of callbacks of its own, and runs them
when the host enters that event. A callback that another event adds would wait
there for ever, and an event with nothing else to wait for traps. So when
callbacks are added from outside, the event gets something to wait for that is
ready at once: a stream of one byte, with its read in the event's waitable set.

This leans on the insides of componentize-py 0.25.1.
"""

import asyncio

import componentize_py_async_support as support
import componentize_py_runtime as runtime
import wit_world

_running = None  # the event whose callbacks run now
_left_behind = []  # other events that were given callbacks meanwhile


def install():
    support._Loop.call_soon = _call_soon
    support._poll = _poll


def _call_soon(loop, callback, *args, context=None):
    event = context[support._future_state]
    handle = asyncio.Handle(callback, args, loop, context)
    event.handles.append(handle)
    if event is not _running and event not in _left_behind:
        _left_behind.append(event)
    return handle


def _poll(event):
    global _running
    if event in _left_behind:
        _left_behind.remove(event)
    _running = event
    support._loop.poll(event)
    _running = None
    while _left_behind:
        _wake(_left_behind.pop())

    if event.pending_count == 0 and not event.futures:
        if event.waitable_set is not None:
            runtime.waitable_set_drop(event.waitable_set)
            event.waitable_set = None
        return support._CallbackCode.EXIT
    if event.waitable_set is None:
        event.waitable_set = runtime.waitable_set_new()
    runtime.context_set(event)
    return support._CallbackCode.WAIT | (event.waitable_set << 4)


def _wake(event):
    if event.waitable_set is None:
        return  # it has not waited yet, or it has ended
    writer, reader = wit_world.byte_stream()
    writer.finalizer.detach()
    reader.finalizer.detach()
    waitable, promise = runtime.stream_read(reader.type_, reader.handle, 1).value
    event.futures[waitable] = _Wake(reader.type_, reader.handle, promise)
    runtime.waitable_join(waitable, event.waitable_set)
    runtime.stream_write(writer.type_, writer.handle, b"\0")  # the read takes it at once
    runtime.stream_drop_writable(writer.type_, writer.handle)


class _Wake:
    """Stands in an event's table of futures for the read that wakes it."""

    def __init__(self, type_, handle, promise):
        self._type, self._handle, self._promise = type_, handle, promise

    def set_result(self, code):
        runtime.promise_get_result(code, self._promise)
        runtime.stream_drop_readable(self._type, self._handle)
