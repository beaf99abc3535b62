// How does an instance read and write a stream?

package wit_types

import (
	goruntime "runtime"
	"unsafe"

	"go.bytecodealliance.org/pkg/wit/async"
	"go.bytecodealliance.org/pkg/wit/runtime"
)

// StreamVtable is how generated code describes one stream type. Lift and Lower
// are nil when T lies in memory as the canonical ABI wants it.
type StreamVtable[T any] struct {
	Size, Align                uint32
	Read, Write                func(handle int32, items unsafe.Pointer, count uint32) uint32
	CancelRead, CancelWrite    func(handle int32) uint32
	DropReadable, DropWritable func(handle int32)
	Lift                       func(from unsafe.Pointer) T
	Lower                      func(pinner *goruntime.Pinner, value T, to unsafe.Pointer) func()
}

// end is one end of a stream or future. The handle is dropped at the latest when
// the collector finds the end unreachable.
type end struct {
	handle *runtime.Handle
	drop   func(int32)
}

func track[E any](owner *E, drop func(int32), index int32) end {
	e := end{runtime.MakeHandle(index), drop}
	goruntime.AddCleanup(owner, end.Drop, e)
	return e
}

// Drop tells the other side that this end is no longer used.
func (e end) Drop() {
	if index := e.handle.TakeOrNil(); index != 0 {
		e.drop(index)
	}
}

// watch keeps what the host hands over in a buffer of n items alive until the
// result is called. Items under 8 bytes hold no pointer with a length.
func watch(buffer unsafe.Pointer, size, n uint32) func() {
	if size < 8 || n == 0 {
		return func() {}
	}
	runtime.Watch(buffer, uintptr(size)*uintptr(n))
	return func() { runtime.Unwatch(buffer) }
}

// StreamReader is the readable end of a stream.
type StreamReader[T any] struct {
	end
	vtable *StreamVtable[T]
	ended  bool
}

func MakeStreamReader[T any](vtable *StreamVtable[T], handle int32) *StreamReader[T] {
	r := &StreamReader[T]{vtable: vtable}
	r.end = track(r, vtable.DropReadable, handle)
	return r
}

// WriterDropped says that nothing more will come.
func (r *StreamReader[T]) WriterDropped() bool { return r.ended }

// TakeHandle and SetHandle move the stream to or from the host.
func (r *StreamReader[T]) TakeHandle() int32      { return r.handle.Take() }
func (r *StreamReader[T]) SetHandle(handle int32) { r.handle.Set(handle) }

// Read waits for items and returns how many there are; 0 when the writer is gone.
func (r *StreamReader[T]) Read(items []T) uint32 {
	if len(items) == 0 {
		panic("wit: Read into an empty slice")
	}
	handle := r.handle.Take() // so that a second Read at the same time panics
	defer r.handle.Set(handle)
	if r.ended {
		return 0
	}
	n := uint32(len(items))
	if r.vtable.Lift == nil {
		return r.finish(r.vtable.Read(handle, unsafe.Pointer(unsafe.SliceData(items)), n), handle)
	}
	var pinner goruntime.Pinner
	defer pinner.Unpin()
	size := r.vtable.Size
	buffer := runtime.Allocate(&pinner, uintptr(size)*uintptr(n), uintptr(r.vtable.Align))
	defer watch(buffer, size, n)()
	count := r.finish(r.vtable.Read(handle, buffer, n), handle)
	for i := range count {
		items[i] = r.vtable.Lift(unsafe.Add(buffer, uintptr(i)*uintptr(size)))
	}
	return count
}

func (r *StreamReader[T]) finish(code uint32, handle int32) uint32 {
	code, count := async.FutureOrStreamWait(code, handle)
	r.ended = code == async.RETURN_CODE_DROPPED
	return count
}

// StreamWriter is the writable end of a stream.
type StreamWriter[T any] struct {
	end
	vtable *StreamVtable[T]
	ended  bool
}

func MakeStreamWriter[T any](vtable *StreamVtable[T], handle int32) *StreamWriter[T] {
	w := &StreamWriter[T]{vtable: vtable}
	w.end = track(w, vtable.DropWritable, handle)
	return w
}

// ReaderDropped says that nobody will read more.
func (w *StreamWriter[T]) ReaderDropped() bool { return w.ended }

// Write waits until the reader has taken items, perhaps only some, and returns
// how many; 0 when the reader is gone.
func (w *StreamWriter[T]) Write(items []T) uint32 {
	handle := w.handle.Take()
	defer w.handle.Set(handle)
	if w.ended {
		return 0
	}
	n := uint32(len(items))
	buffer := unsafe.Pointer(unsafe.SliceData(items))
	var restore []func() // gives back handles of items that were not taken
	if w.vtable.Lower != nil {
		var pinner goruntime.Pinner
		defer pinner.Unpin()
		size := uintptr(w.vtable.Size)
		buffer = runtime.Allocate(&pinner, size*uintptr(n), uintptr(w.vtable.Align))
		for i, item := range items {
			restore = append(restore, w.vtable.Lower(&pinner, item, unsafe.Add(buffer, uintptr(i)*size)))
		}
	}
	code, count := async.FutureOrStreamWait(w.vtable.Write(handle, buffer, n), handle)
	goruntime.KeepAlive(items)
	w.ended = code == async.RETURN_CODE_DROPPED
	for _, f := range restore[min(count, uint32(len(restore))):] {
		f()
	}
	return count
}

// WriteAll writes until all items are taken or the reader is gone.
func (w *StreamWriter[T]) WriteAll(items []T) uint32 {
	var count uint32
	for int(count) < len(items) && !w.ended {
		count += w.Write(items[count:])
	}
	return count
}
