// What does the object answer on each path?

package object

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"wit_component/durable_object_alarms"
	"wit_component/durable_object_kv"
	"wit_component/durable_object_sql"
	"wit_component/durable_object_state"
	"wit_component/durable_object_storage"
	"wit_component/durable_object_stubs"
	"wit_component/durable_object_timers"
	"wit_component/durable_object_types"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// chunkBytes is how much of a body is held at a time.
const chunkBytes = 64 << 10

// answer is what the object says on each path.
func answer(request Request) (Response, *Error) {
	path, query := route(request.Url)
	where := request.Method + " " + path
	switch where {
	case "POST echo":
		return response(200, passedOn(request.Body)), nil
	case "POST relay":
		return relay(query.Get("name"), "POST", "echo", passedOn(request.Body))
	case "POST read":
		found := read(request.Body)
		lastRead.Store(&found)
		return text(found), nil
	case "POST first":
		return text(fmt.Sprint(first(request.Body))), nil
	}
	drop(request.Body)

	switch where {
	case "GET started":
		return text(fmt.Sprint(started.Load())), nil
	case "GET read":
		return text(*lastRead.Load()), nil
	case "GET broken":
		return response(200, broken()), nil
	case "GET who":
		return text(who()), nil
	case "POST kv":
		return countInKv()
	case "POST sql":
		return countInSql()
	case "GET sleep":
		durationMs, _ := strconv.ParseUint(query.Get("ms"), 10, 64)
		peak := peakDuring(func() { durable_object_timers.Sleep(durationMs).Read() })
		return text(fmt.Sprint(peak)), nil
	case "GET wait":
		waitForRelease()
		return text("released"), nil
	case "GET release":
		release()
		return text("ok"), nil
	case "GET sync":
		if done := durable_object_storage.Sync().Read(); done.IsErr() {
			return Response{}, storageError(done.Err())
		}
		return text("synced"), nil
	case "GET relay":
		return relay(query.Get("name"), "GET", "who", durable_object_types.MakeBodyEmpty())
	case "GET error":
		return Response{}, refusal("refused on purpose")
	case "GET throw":
		panic(errors.New("thrown on purpose"))
	case "GET trap":
		trap()
		return text("unreachable"), nil
	case "GET later":
		return text(alarm()), nil
	}
	return response(404, durable_object_types.MakeBodyBytes([]byte("not found"))), nil
}

// route takes path and query from http://host/<class>/<name>/<path>?<query>.
func route(from string) (string, url.Values) {
	parsed, err := url.Parse(from)
	if err != nil {
		return "", nil
	}
	parts := strings.SplitN(parsed.EscapedPath(), "/", 4)
	if len(parts) < 4 {
		return "", nil
	}
	return parts[3], parsed.Query()
}

func text(content string) Response {
	return response(200, durable_object_types.MakeBodyBytes([]byte(content)))
}

func response(status uint16, body Body) Response {
	headers := []wit.Tuple2[string, []byte]{{F0: "content-type", F1: []byte("text/plain")}}
	return Response{Status: status, Headers: headers, Body: body}
}

func who() string {
	name := durable_object_state.Name()
	return fmt.Sprintf("%s %s -> %s", durable_object_state.ClassName(), name.SomeOr("-"), durable_object_state.Id())
}

// drop gives an unread body back; otherwise it keeps its place in the instance until
// the next garbage collection.
func drop(body Body) {
	if body.Tag() == durable_object_types.Body_Stream {
		stream := body.Stream()
		stream.Chunks.Drop()
		stream.End.Drop()
	}
}

// passedOn is the same body, with the same end; a stream is read as fast as its copy
// is taken.
func passedOn(body Body) Body {
	if body.Tag() != durable_object_types.Body_Stream {
		return body
	}
	from := body.Stream()
	return streamed(func(to *wit.StreamWriter[uint8]) End {
		buffer := make([]byte, chunkBytes)
		for !from.Chunks.WriterDropped() && !to.ReaderDropped() {
			to.WriteAll(buffer[:from.Chunks.Read(buffer)])
		}
		from.Chunks.Drop()
		return from.End.Read()
	})
}

// streamed is a body that write writes piece by piece, and that ends as it says.
func streamed(write func(to *wit.StreamWriter[uint8]) End) Body {
	to, chunks := durable_object_stubs.MakeStreamU8()
	ending, end := durable_object_stubs.MakeFutureResultUnitDurableObjectTypesError()
	go func() {
		ended := write(to)
		to.Drop()
		ending.Write(ended) // an end that nobody writes would trap
	}()
	return durable_object_types.MakeBodyStream(durable_object_types.BodyStream{Chunks: chunks, End: end})
}

func broken() Body {
	return streamed(func(to *wit.StreamWriter[uint8]) End {
		to.WriteAll([]byte("begun"))
		return wit.Err[wit.Unit](*refusal("broken on purpose"))
	})
}

// lastRead is how the last body ended that was read.
var lastRead atomic.Pointer[string]

func init() {
	none := "none"
	lastRead.Store(&none)
}

// read says how many bytes a body has, and how it ends.
func read(body Body) string {
	switch body.Tag() {
	case durable_object_types.Body_Bytes:
		return fmt.Sprint(len(body.Bytes()), " bytes, ok")
	case durable_object_types.Body_Empty:
		return "0 bytes, ok"
	}
	from, count := body.Stream(), uint64(0)
	defer from.Chunks.Drop()
	for buffer := make([]byte, chunkBytes); !from.Chunks.WriterDropped(); {
		count += uint64(from.Chunks.Read(buffer))
	}
	if end := from.End.Read(); end.IsErr() {
		return fmt.Sprint(count, " bytes, ", end.Err().Message)
	}
	return fmt.Sprint(count, " bytes, ok")
}

// first says how many bytes come first. The rest is dropped.
func first(body Body) uint32 {
	defer drop(body)
	switch body.Tag() {
	case durable_object_types.Body_Bytes:
		return uint32(len(body.Bytes()))
	case durable_object_types.Body_Empty:
		return 0
	}
	return body.Stream().Chunks.Read(make([]byte, chunkBytes))
}

// counting is held from the read of a number to its write: other events may run
// in between, at an allocation.
var counting sync.Mutex

func countInKv() (Response, *Error) {
	counting.Lock()
	defer counting.Unlock()
	stored := durable_object_kv.Get("count")
	if stored.IsErr() {
		return Response{}, storageError(stored.Err())
	}
	value := stored.Ok()
	count, _ := strconv.ParseUint(string(value.SomeOr(nil)), 10, 64)
	digits := fmt.Sprint(count + 1)
	if put := durable_object_kv.Put("count", []byte(digits)); put.IsErr() {
		return Response{}, storageError(put.Err())
	}
	return text(digits), nil
}

func countInSql() (Response, *Error) {
	const query = `CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY, n INTEGER NOT NULL);
		INSERT INTO counter (id, n) VALUES (1, ?1)
		ON CONFLICT (id) DO UPDATE SET n = n + excluded.n RETURNING n`
	one := durable_object_sql.MakeValueInteger(1)
	result := durable_object_sql.Exec(query, []durable_object_sql.Value{one})
	if result.IsErr() {
		return Response{}, storageError(result.Err())
	}
	count := result.Ok().Rows[0][0]
	return text(fmt.Sprint(count.Integer())), nil
}

// relay sends a request to another object, and passes its answer on.
func relay(name, method, path string, body Body) (Response, *Error) {
	class := durable_object_state.ClassName()
	request := Request{
		Method: method,
		Url:    fmt.Sprintf("http://relay/%s/%s/%s", class, name, path),
		Body:   body,
	}
	answer := durable_object_stubs.Fetch(class, durable_object_stubs.MakeTargetName(name), request).Read()
	if answer.IsErr() {
		failure := answer.Err()
		return Response{}, &failure
	}
	return response(answer.Ok().Status, passedOn(answer.Ok().Body)), nil
}

// trap ends the instance.
func trap()

func alarm() string {
	result := durable_object_alarms.Get()
	if result.IsErr() {
		return storageText(result.Err())
	}
	if time := result.Ok(); time.IsSome() {
		return fmt.Sprint(time.Some())
	}
	return "none"
}

func storageError(cause durable_object_types.StorageError) *Error {
	return refusal(storageText(cause))
}

func storageText(cause durable_object_types.StorageError) string {
	if cause.Tag() == durable_object_types.StorageError_Sqlite {
		return cause.Sqlite().Message
	}
	return cause.Invalid()
}
