"""What do the events of this instance know of each other?

How many are in flight, how many that were at most while one of them waited, and
who is waiting for a release. Events interleave only at an await.
"""

import asyncio

started = 0
last_read = "none"  # how the last body ended that was read
_in_flight = 0
_peaks = []  # for each event that watches, a list of the most since
_waiting = []  # futures that the next release resolves


def begin():
    global _in_flight
    _in_flight += 1
    for peak in _peaks:
        peak[0] = max(peak[0], _in_flight)


def end():
    global _in_flight
    _in_flight -= 1


async def peak_during(wait):
    """The most events that were in flight while `wait` went on."""
    peak = [_in_flight]
    _peaks.append(peak)
    await wait
    _peaks[:] = [other for other in _peaks if other is not peak]
    return peak[0]


async def wait_for_release():
    """Waits for the next call of `release`, which another event makes."""
    future = asyncio.get_event_loop().create_future()
    _waiting.append(future)
    await future


def release():
    for future in _waiting:
        future.set_result(None)
    _waiting.clear()
