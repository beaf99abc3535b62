"""What does the object answer on each path?"""

import os

import wit_world
from componentize_py_async_support import spawn
from componentize_py_types import Err
from wit_world.imports import alarms, kv, sql, state, storage, stubs, timers
from wit_world.imports.sql import Value_Integer
from wit_world.imports.types import (
    Body_Bytes,
    Body_Empty,
    Body_Stream,
    BodyStream,
    Error,
    ErrorFlags,
    Request,
    Response,
    StorageError_Sqlite,
)

import events

# How much of a body is held at a time.
CHUNK_BYTES = 64 * 1024


async def answer(request):
    path, query = route(request.url)
    where = f"{request.method} {path}"
    if where == "POST echo":
        return response(200, passed_on(request.body))
    if where == "POST relay":
        return await relay(parameter(query, "name"), "POST", "echo", passed_on(request.body))
    if where == "POST read":
        events.last_read = await read(request.body)
        return text(events.last_read)
    if where == "POST first":
        return text(await first(request.body))
    drop(request.body)

    match where:
        case "GET started":
            return text(events.started)
        case "GET read":
            return text(events.last_read)
        case "GET broken":
            return response(200, streamed(broken))
        case "GET who":
            return text(f"{state.class_name()} {state.name() or '-'} -> {state.id()}")
        case "POST kv":
            return text(checked(count_in_kv))
        case "POST sql":
            return text(checked(count_in_sql))
        case "GET sleep":
            duration_ms = int(parameter(query, "ms") or "0")
            return text(await events.peak_during(timers.sleep(duration_ms).read()))
        case "GET wait":
            await events.wait_for_release()
            return text("released")
        case "GET release":
            events.release()
            return text("ok")
        case "GET sync":
            synced = await storage.sync().read()
            if isinstance(synced, Err):
                raise error(storage_text(synced.value))
            return text("synced")
        case "GET relay":
            return await relay(parameter(query, "name"), "GET", "who", Body_Empty())
        case "GET error":
            raise error("refused on purpose")
        case "GET throw":
            raise ValueError("thrown on purpose")
        case "GET trap":
            os.abort()
        case "GET later":
            return text(alarm())
    return response(404, Body_Bytes(b"not found"))


def route(url):
    """Of `http://host/<class>/<name>/<path>?<query>` the path and the query."""
    before, _, query = url.partition("?")
    parts = before.split("://", 1)[-1].split("/", 3)
    return (parts[3] if len(parts) == 4 else ""), query


def parameter(query, name):
    """A parameter of the query, or nothing."""
    for pair in query.split("&"):
        key, _, value = pair.partition("=")
        if key == name:
            return value
    return ""


def text(content):
    return response(200, Body_Bytes(str(content).encode()))


def response(status, body):
    return Response(status, [("content-type", b"text/plain")], body)


def error(message, name="Error"):
    """What a handler raises to answer with an error."""
    return Err(Error(name, message, ErrorFlags(0), None))


def drop(body):
    """Tells the sender of an unread body that nobody will read it."""
    if isinstance(body, Body_Stream):
        with body.value.chunks, body.value.end:
            pass


def passed_on(body):
    """The same body, with the same end; a stream is read as fast as its copy is taken."""
    if not isinstance(body, Body_Stream):
        return body
    return streamed(lambda writer: copy(body.value, writer))


def streamed(write):
    """A body that `write` writes piece by piece, and that ends as it says."""
    writer, chunks = wit_world.byte_stream()
    ending, end = wit_world.result_unit_types_error_future(lambda: error("nobody ended the body"))
    spawn(write_to_end(write, writer, ending))
    return Body_Stream(BodyStream(chunks, end))


async def write_to_end(write, writer, ending):
    with ending:  # an end that nobody writes would trap
        with writer:
            ended = await write(writer)
        await ending.write(ended)


async def copy(body, writer):
    with body.chunks as reader:
        while not (reader.writer_dropped or writer.reader_dropped):
            await writer.write_all(await reader.read(CHUNK_BYTES))
    return await body.end.read()


async def broken(writer):
    await writer.write_all(b"begun")
    return error("broken on purpose")


async def read(body):
    """How many bytes a body has, and how it ends."""
    if not isinstance(body, Body_Stream):
        return f"{at_hand(body)} bytes, ok"
    count = 0
    with body.value.chunks as reader:
        while not reader.writer_dropped:
            count += len(await reader.read(CHUNK_BYTES))
    end = await body.value.end.read()
    return f"{count} bytes, {end.value.message if isinstance(end, Err) else 'ok'}"


async def first(body):
    """How many bytes come first. The rest is dropped."""
    if not isinstance(body, Body_Stream):
        return at_hand(body)
    with body.value.chunks as reader, body.value.end:
        return len(await reader.read(CHUNK_BYTES))


def at_hand(body):
    return len(body.value) if isinstance(body, Body_Bytes) else 0


def count_in_kv():
    count = int(kv.get("count") or b"0") + 1
    kv.put("count", str(count).encode())
    return count


def count_in_sql():
    query = """
        CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY, n INTEGER NOT NULL);
        INSERT INTO counter (id, n) VALUES (1, ?1)
        ON CONFLICT (id) DO UPDATE SET n = n + excluded.n RETURNING n
    """
    return sql.exec(query, [Value_Integer(1)]).rows[0][0].value


async def relay(name, method, path, body):
    """Sends a request to another object, and passes its answer on."""
    class_name = state.class_name()
    request = Request(method, f"http://relay/{class_name}/{name}/{path}", [], body, None)
    answered = await stubs.fetch(class_name, stubs.Target_Name(name), request).read()
    if isinstance(answered, Err):
        raise answered
    return response(answered.value.status, passed_on(answered.value.body))


def alarm():
    try:
        time = alarms.get()
    except Err as failure:
        return storage_text(failure.value)
    return "none" if time is None else time


def checked(work):
    """The result of `work`, with a storage error as the object's error."""
    try:
        return work()
    except Err as failure:
        raise error(storage_text(failure.value))


def storage_text(cause):
    return cause.value.message if isinstance(cause, StorageError_Sqlite) else cause.value
