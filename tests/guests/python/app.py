"""The test object in Python: where the bindings call it.

Its routes are listed in ../src/lib.rs. This module runs once, at build time; what
it leaves in memory is what every instance begins with.
"""

import gc

import wakeups
from componentize_py_types import Err
from wit_world import exports

import events
import routes

wakeups.install()


class Lifecycle(exports.Lifecycle):
    async def start(self):
        events.started += 1


class FetchHandler(exports.FetchHandler):
    async def fetch(self, request, caller):
        events.begin()
        try:
            return await routes.answer(request)
        except Err:
            raise
        except Exception as exception:
            # What is not an Err would trap, and so end the events beside this one.
            raise routes.error(str(exception), name=type(exception).__name__)
        finally:
            events.end()


class AlarmHandler(exports.AlarmHandler):
    async def alarm(self, info):
        pass


class RpcHandler(exports.RpcHandler):
    async def call(self, method, arguments, caller):
        raise routes.error(f'The RPC receiver does not implement the method "{method}".')

    async def call_reference(self, mine, method, arguments, caller):
        await self.call(method, arguments, caller)

    async def release(self, mine):
        pass


class WebsocketHandler(exports.WebsocketHandler):
    async def message(self, socket, message):
        pass

    async def close(self, socket, code, reason, was_clean):
        pass

    async def error(self, socket, message):
        pass


# Collections at run time need not look at what the build left behind.
gc.collect()
gc.freeze()
