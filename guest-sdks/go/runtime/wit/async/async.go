// Package async answers: how do async exports run on stock Go?
//
// Each call of an async export is a task, with a goroutine of its own. The host
// enters a task at its start and whenever something it waits for is ready; the
// task that it entered last is the current one. Goroutines of all tasks run
// then, until none can go on, and control returns to the host.
//
// Invariants:
//
//   - A call of an export returns to the host only when every goroutine is blocked.
//   - An exported function returns while its own task is the current one.
//   - Whatever a task waits for is in its waitable set and in its waits.
//   - Shared maps and slices grow only between runtime.Hold and Release, or while
//     no other goroutine can run.
package async

import (
	"fmt"
	"math"
	goruntime "runtime"
	"time"
	"unsafe"

	"go.bytecodealliance.org/pkg/wit/runtime"
)

// The numbers of the canonical ABI, under the names that bindings know.
const (
	EVENT_NONE         uint32 = 0
	EVENT_SUBTASK      uint32 = 1
	EVENT_STREAM_READ  uint32 = 2
	EVENT_STREAM_WRITE uint32 = 3
	EVENT_FUTURE_READ  uint32 = 4
	EVENT_FUTURE_WRITE uint32 = 5
	EVENT_CANCELLED    uint32 = 6

	STATUS_STARTING uint32 = 0
	STATUS_STARTED  uint32 = 1
	STATUS_RETURNED uint32 = 2

	CALLBACK_CODE_EXIT  uint32 = 0
	CALLBACK_CODE_YIELD uint32 = 1
	CALLBACK_CODE_WAIT  uint32 = 2

	RETURN_CODE_BLOCKED   uint32 = 0xFFFFFFFF
	RETURN_CODE_COMPLETED uint32 = 0
	RETURN_CODE_DROPPED   uint32 = 1
)

// Task is one call of an async export.
type Task struct {
	id     uint32
	set    uint32                 // waitable set; 0 until there is one
	waits  map[uint32]chan uint32 // waitables in set, and who waits for them
	yields []chan struct{}
	enter  chan struct{} // closed when the host enters the task; see Enter
	wake   uint32        // waitable in set that makes the host enter the task
	done   bool          // the exported function and its task.return are done
}

var (
	current  *Task
	tasks    = map[uint32]*Task{}
	lastID   uint32
	running  int     // tasks that are not done
	entering []*Task // tasks with a goroutine in Enter that are not yet woken
)

// Run starts a task; generated code calls it when the host calls an export.
func Run(body func()) uint32 {
	runtime.Hold()
	for lastID++; lastID == 0 || tasks[lastID] != nil; lastID++ {
	}
	t := &Task{id: lastID, waits: map[uint32]chan uint32{}}
	tasks[t.id] = t
	runtime.Release()
	contextSet(t.id)
	current = t
	running++
	go func() {
		defer func() {
			t.done = true
			running--
		}()
		body()
	}()
	return t.run()
}

// Callback continues a task; generated code calls it with an event of its set.
func Callback(event, waitable, code uint32) uint32 {
	t := tasks[contextGet()]
	current = t
	switch event {
	case EVENT_NONE:
		for _, c := range t.yields {
			close(c)
		}
		t.yields = nil
	case EVENT_SUBTASK:
		if code >= STATUS_RETURNED {
			waitableJoin(waitable, 0)
			subtaskDrop(waitable)
			t.deliver(waitable, code)
		}
	case EVENT_STREAM_READ, EVENT_STREAM_WRITE, EVENT_FUTURE_READ, EVENT_FUTURE_WRITE:
		waitableJoin(waitable, 0)
		if waitable == t.wake {
			unitDropReadable(int32(waitable))
			t.wake = 0
		} else {
			t.deliver(waitable, code)
		}
	case EVENT_CANCELLED: // goes on to its end
	default:
		panic(fmt.Sprint("wit: unknown event ", event))
	}
	if t.enter != nil {
		close(t.enter)
		t.enter = nil
	}
	return t.run()
}

func (t *Task) deliver(waitable, code uint32) {
	t.waits[waitable] <- code // has room for one
	delete(t.waits, waitable)
}

// run lets goroutines run and tells the host what the task does next.
func (t *Task) run() uint32 {
	runtime.Quiesce()
	for setAlarm() {
		runtime.Quiesce()
	}
	for _, other := range entering {
		other.wakeUp()
	}
	entering = entering[:0]
	current = nil
	switch {
	case len(t.yields) > 0:
		return CALLBACK_CODE_YIELD
	case t.done && len(t.waits) == 0 && t.wake == 0:
		if t.set != 0 {
			waitableSetDrop(t.set)
		}
		delete(tasks, t.id)
		return CALLBACK_CODE_EXIT
	default: // perhaps with nothing in the set but what wakeUp puts there
		return CALLBACK_CODE_WAIT | t.waitableSet()<<4
	}
}

// Sleep blocks its goroutine for about d with a timer of the host, or shorter. The
// SDK sets it, and should end after a second at most: until then the task that is
// current now cannot end. With it Go's own timers work: time.Sleep, deadlines.
var Sleep func(d time.Duration)

var alarm int64 = math.MaxInt64 // when the next one is due

// setAlarm sees to it that the host enters a task when Go's next timer is due, as
// long as some function has not returned. It says whether that was to be done.
func setAlarm() bool {
	if Sleep == nil || running == 0 {
		return false
	}
	due, left := runtime.NextTimer()
	if due >= alarm {
		return false
	}
	alarm = due
	go func() {
		Sleep(left)
		if alarm == due {
			alarm = math.MaxInt64
		}
	}()
	return true
}

func (t *Task) waitableSet() uint32 {
	if t.set == 0 {
		t.set = waitableSetNew()
	}
	return t.set
}

// wait blocks the goroutine until waitable has an event. The current task waits
// for it, whichever task the goroutine came from.
func wait(waitable uint32) uint32 {
	t := mustCurrent()
	c := make(chan uint32, 1)
	runtime.Hold()
	t.waits[waitable] = c
	runtime.Release()
	waitableJoin(waitable, t.waitableSet())
	return <-c
}

// FutureOrStreamWait finishes a read or write that returned code: the result is
// a RETURN_CODE and a count.
func FutureOrStreamWait(code uint32, handle int32) (uint32, uint32) {
	if code == RETURN_CODE_BLOCKED {
		code = wait(uint32(handle))
	}
	return code & 0xF, code >> 4
}

// SubtaskWait finishes an async call that returned status.
func SubtaskWait(status uint32) {
	if status&0xF < STATUS_RETURNED {
		runtime.Subtasks++
		wait(status >> 4)
		runtime.Subtasks--
	}
}

// Yield lets the host do other work, and other tasks run.
func Yield() {
	t, c := mustCurrent(), make(chan struct{})
	runtime.Hold()
	t.yields = append(t.yields, c)
	runtime.Release()
	<-c
}

// mustCurrent waits for a current task: a goroutine that a Go timer has woken may
// run a moment too early, when the host's call of an export allocates.
func mustCurrent() *Task {
	for range 100_000 {
		if current != nil {
			return current
		}
		goruntime.Gosched()
	}
	panic("wit: waiting is possible only while an async export runs")
}

// ---- Waits between tasks ----------------------------------------------------
//
// When a goroutine is woken by another task (a channel, a mutex), that other task
// is current. task.return, which generated code calls right after the exported
// function, is valid only while its own task is. So an exported function ends
// with Enter; Guard does that.

// Current is the current task. In an exported function, before it first blocks,
// it is that function's own.
func Current() *Task { return current }

// Enter blocks the goroutine until t is current.
func (t *Task) Enter() {
	for current != t {
		enter := make(chan struct{})
		runtime.Hold()
		t.enter = enter
		entering = append(entering, t)
		runtime.Release()
		<-enter
	}
}

// wakeUp makes the host enter t, which waits for its set: it puts a read there
// that ends at once.
func (t *Task) wakeUp() {
	if t.wake != 0 || len(t.yields) > 0 {
		return // the host enters it anyway
	}
	pair := unitNew()
	t.wake = uint32(pair)
	if unitRead(int32(t.wake), nil, 1) != RETURN_CODE_BLOCKED {
		panic("wit: unexpected end of a stream")
	}
	waitableJoin(t.wake, t.set)
	unitDropWritable(int32(pair >> 32))
}

// Guard is what an exported async function of an SDK consists of: it runs body,
// turns a panic into a result, and returns while its task is current.
func Guard[T any](body func() T, failed func(reason any) T) (result T) {
	t := Current()
	defer t.Enter()
	defer func() {
		if reason := recover(); reason != nil {
			result = failed(reason)
		}
	}()
	return body()
}

//go:wasmimport $root [waitable-set-new]
func waitableSetNew() uint32

//go:wasmimport $root [waitable-set-drop]
func waitableSetDrop(set uint32)

//go:wasmimport $root [waitable-join]
func waitableJoin(waitable, set uint32)

//go:wasmimport $root [context-get-0]
func contextGet() uint32

//go:wasmimport $root [context-set-0]
func contextSet(value uint32)

//go:wasmimport $root [subtask-drop]
func subtaskDrop(subtask uint32)

//go:wasmimport $root [stream-new-unit]
func unitNew() uint64

//go:wasmimport $root [async-lower][stream-read-unit]
func unitRead(handle int32, items unsafe.Pointer, count uint32) uint32

//go:wasmimport $root [stream-drop-readable-unit]
func unitDropReadable(handle int32)

//go:wasmimport $root [stream-drop-writable-unit]
func unitDropWritable(handle int32)
