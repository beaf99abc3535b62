// Package runtime answers: where does the memory lie that an instance shares with
// its host, and when may the host run again?
//
// Invariants:
//
//   - While the host asks for memory, the instance calls nothing of the host and
//     no other goroutine runs.
//   - What the host has written stays until it is lifted.
//   - The preview-1 adapter's memory is none of Go's heap.
package runtime

import (
	"math"
	"runtime"
	"runtime/metrics"
	"time"
	"unsafe"
)

// ---- Memory that the host asks for ------------------------------------------
//
// The host calls cabi_realloc while it lowers a value: before an export is
// entered, inside a call to an import (on the goroutine that made the call), or
// when it completes a read. During it the instance must not call out, so no
// collection may start and no goroutine switch may happen. Pinning the P (Go's
// processor) gives both: the allocator neither starts a collection nor assists one
// while m.locks > 0. What remains is that it reads the clock when it gives memory
// back after growing the heap; the adapter answers from its cache meanwhile.
// So every value gets a Go object of its own, of any size, and the collector
// frees it like any other: there is no arena to refill or to keep alive.

//go:linkname procPin runtime.procPin
func procPin() int

//go:linkname procUnpin runtime.procUnpin
func procUnpin()

//go:wasmimport wasi_snapshot_preview1 adapter_monotonic_clock_set_paused
func pauseClock(paused bool)

// Hold keeps other goroutines from running until Release: any allocation may start
// or assist a collection, and so let them in. Changes of shared state need it.
func Hold() { procPin() }

func Release() { procUnpin() }

// root is a block that the host has filled and that perhaps only the host's own
// 32-bit pointers refer to, until generated code has lifted it.
type root struct {
	start unsafe.Pointer
	size  uintptr
}

var (
	roots     []root
	rootBytes uintptr
	empty     uint64 // what an empty list points to

	// Only a large allocation, or one of many small ones, asks whether a
	// collection is due. cabiRealloc cannot, so Allocate makes one here.
	collectIfDue []byte
)

//go:wasmexport cabi_realloc
func cabiRealloc(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	if size == 0 {
		return unsafe.Pointer(&empty)
	}
	procPin()
	pauseClock(true)
	// The size is a multiple of align, and Go aligns a block at least that well.
	block := make([]byte, size)
	copy(block, unsafe.Slice((*byte)(old), oldSize))
	start := unsafe.Pointer(unsafe.SliceData(block))
	roots = append(roots, root{start, size})
	rootBytes += size
	pauseClock(false)
	procUnpin()
	return start
}

// Roots are dropped when every goroutine is blocked: nothing is half lifted then
// (only a collection could stop a goroutine there, and Quiesce waits for it).
// What an unfinished read has been given must stay, so the blocks that a watched
// buffer leads to are kept.

var (
	watched  = map[unsafe.Pointer]uintptr{}
	Subtasks int // unfinished async calls; they write to places unknown here
)

// Watch says that the host may write pointers to blocks into [buffer, buffer+size).
func Watch(buffer unsafe.Pointer, size uintptr) {
	Hold()
	watched[buffer] = size
	Release()
}

// Unwatch ends Watch, once the buffer has been lifted.
func Unwatch(buffer unsafe.Pointer) { delete(watched, buffer) }

// releaseRoots is called when every goroutine is blocked.
func releaseRoots() {
	if len(roots) == 0 || Subtasks > 0 {
		return
	}
	blocks := map[uint32]root{}
	if len(watched) > 0 {
		for _, r := range roots {
			blocks[uint32(uintptr(r.start))] = r
		}
	}
	clear(roots)
	roots, rootBytes = roots[:0], 0
	if cap(roots) > 4096 {
		roots = nil
	}
	for buffer, size := range watched {
		keepReachable(blocks, buffer, size)
	}
}

// keepReachable takes back as roots those blocks whose address lies in
// [start, start+size), and what they lead to. A number that looks like an address
// only keeps a block for longer.
func keepReachable(blocks map[uint32]root, start unsafe.Pointer, size uintptr) {
	for offset := uintptr(0); offset+4 <= size && len(blocks) > 0; offset += 4 {
		word := *(*uint32)(unsafe.Add(start, offset))
		if r, ok := blocks[word]; ok {
			delete(blocks, word)
			roots = append(roots, r)
			rootBytes += r.size
			keepReachable(blocks, r.start, r.size)
		}
	}
}

// Unpin is called by generated code when arguments have been lifted.
func Unpin() {}

// Allocate returns memory that the host reads or fills in one call; it lives
// until pinner.Unpin.
func Allocate(pinner *runtime.Pinner, size, align uintptr) unsafe.Pointer {
	if rootBytes > settleBytes && quiescing { // so some other goroutine runs Quiesce
		// A long run of calls without a wait: let the roots go.
		settled := make(chan struct{})
		Hold()
		settling = append(settling, settled)
		Release()
		<-settled
		collectIfDue = make([]byte, 64<<10)
		collectIfDue = nil
	}
	if size == 0 {
		return nil
	}
	block := unsafe.Pointer(unsafe.SliceData(make([]uint64, (size+7)/8)))
	pinner.Pin(block)
	return block
}

// ---- Running until nothing can run ------------------------------------------

// settleBytes is how much the host may have written without a wait before the next
// call waits for the roots to be released.
const settleBytes = 8 << 20

var (
	quiescing bool
	settling  []chan struct{}
	runnable  = []metrics.Sample{{Name: "/sched/goroutines/runnable:goroutines"}}
)

// writeBarrier is enabled while the collector marks. A goroutine that waits for
// it is not runnable, and marking goes on only while Go runs.
//
//go:linkname writeBarrier runtime.writeBarrier
var writeBarrier struct {
	enabled bool
	_       [3]byte
	_       uint64
}

// Quiesce lets all other goroutines run until each of them is blocked.
func Quiesce() {
	quiescing = true
	for {
		runtime.Gosched()
		metrics.Read(runnable)
		if runnable[0].Value.Uint64() > 0 || writeBarrier.enabled {
			continue
		}
		releaseRoots()
		if len(settling) == 0 {
			break
		}
		for _, settled := range settling {
			close(settled)
		}
		settling = nil
	}
	quiescing = false
}

//go:linkname timeSleepUntil runtime.timeSleepUntil
func timeSleepUntil() int64

//go:linkname nanotime runtime.nanotime
func nanotime() int64

// NextTimer is when Go's next timer is due (a time for nanotime, MaxInt64 for
// none), and how long that is from now.
func NextTimer() (due int64, left time.Duration) {
	if due = timeSleepUntil(); due == math.MaxInt64 {
		return due, 0
	}
	return due, time.Duration(max(due-nanotime(), 0))
}

// ---- Memory of the preview-1 adapter ----------------------------------------
//
// The adapter needs two pages (131,072 bytes) of this memory. By default it takes
// them with memory.grow, but Go's allocator believes that it owns all memory behind
// its heap, and overwrites them. wit-component gives the adapter this export instead.
// It is called from within runtime initialisation, on whatever stack there is, so
// it must not grow the stack, allocate, or need the scheduler or a write barrier.

var (
	adapterMemory [192 << 10]byte
	adapterUsed   uintptr
)

//go:nosplit
//go:wasmexport cabi_realloc_adapter
func cabiReallocAdapter(old, oldSize, align, size uintptr) uintptr {
	base := uintptr(unsafe.Pointer(&adapterMemory))
	start := (base + adapterUsed + align - 1) &^ (align - 1)
	if start+size > base+unsafe.Sizeof(adapterMemory) {
		return 0
	}
	adapterUsed = start + size - base
	return start
}

// ---- Handles ----------------------------------------------------------------

// Handle owns an index in the component's handle table, or nothing (0).
type Handle struct{ index int32 }

func MakeHandle(index int32) *Handle {
	h := new(Handle)
	h.Set(index)
	return h
}

// Use returns the index and keeps it.
func (h *Handle) Use() int32 {
	if h.index == 0 {
		panic("wit: the handle was dropped, given away, or is in use")
	}
	return h.index
}

// Take returns the index and gives it up.
func (h *Handle) Take() int32 {
	index := h.Use()
	h.index = 0
	return index
}

// TakeOrNil is Take, or 0 when there is nothing to take.
func (h *Handle) TakeOrNil() int32 {
	index := h.index
	h.index = 0
	return index
}

func (h *Handle) Set(index int32) {
	if index == 0 || h.index != 0 {
		panic("wit: a handle is set only once, and not to 0")
	}
	h.index = index
}
