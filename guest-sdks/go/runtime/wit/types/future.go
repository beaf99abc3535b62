// How does an instance read and write a future?

package wit_types

import (
	goruntime "runtime"
	"unsafe"

	"go.bytecodealliance.org/pkg/wit/async"
	"go.bytecodealliance.org/pkg/wit/runtime"
)

// FutureVtable is how generated code describes one future type.
type FutureVtable[T any] struct {
	Size, Align                uint32
	Read, Write                func(handle int32, item unsafe.Pointer) uint32
	CancelRead, CancelWrite    func(handle int32) uint32
	DropReadable, DropWritable func(handle int32)
	Lift                       func(from unsafe.Pointer) T
	Lower                      func(pinner *goruntime.Pinner, value T, to unsafe.Pointer) func()
}

// FutureReader is the readable end of a future.
type FutureReader[T any] struct {
	end
	vtable *FutureVtable[T]
}

func MakeFutureReader[T any](vtable *FutureVtable[T], handle int32) *FutureReader[T] {
	r := &FutureReader[T]{vtable: vtable}
	r.end = track(r, vtable.DropReadable, handle)
	return r
}

// TakeHandle and SetHandle move the future to or from the host.
func (r *FutureReader[T]) TakeHandle() int32      { return r.handle.Take() }
func (r *FutureReader[T]) SetHandle(handle int32) { r.handle.Set(handle) }

// Read waits for the value, once.
func (r *FutureReader[T]) Read() T {
	handle := r.handle.Take()
	defer r.vtable.DropReadable(handle)
	var pinner goruntime.Pinner
	defer pinner.Unpin()
	var value T
	buffer := unsafe.Pointer(&value)
	if r.vtable.Lift != nil {
		buffer = runtime.Allocate(&pinner, uintptr(r.vtable.Size), uintptr(r.vtable.Align))
		defer watch(buffer, r.vtable.Size, 1)()
	}
	if code, _ := async.FutureOrStreamWait(r.vtable.Read(handle, buffer), handle); code != async.RETURN_CODE_COMPLETED {
		panic("wit: the future ended without a value")
	}
	if r.vtable.Lift != nil {
		value = r.vtable.Lift(buffer)
	}
	return value
}

// FutureWriter is the writable end of a future.
type FutureWriter[T any] struct {
	end
	vtable *FutureVtable[T]
}

func MakeFutureWriter[T any](vtable *FutureVtable[T], handle int32) *FutureWriter[T] {
	w := &FutureWriter[T]{vtable: vtable}
	w.end = track(w, vtable.DropWritable, handle)
	return w
}

// Write waits until the reader has taken the value, once; false when it is gone.
func (w *FutureWriter[T]) Write(value T) bool {
	handle := w.handle.Take()
	defer w.vtable.DropWritable(handle)
	var pinner goruntime.Pinner
	defer pinner.Unpin()
	buffer := unsafe.Pointer(&value)
	restore := func() {}
	if w.vtable.Lower != nil {
		buffer = runtime.Allocate(&pinner, uintptr(w.vtable.Size), uintptr(w.vtable.Align))
		restore = w.vtable.Lower(&pinner, value, buffer)
	}
	code, _ := async.FutureOrStreamWait(w.vtable.Write(handle, buffer), handle)
	if code == async.RETURN_CODE_DROPPED {
		restore()
	}
	return code == async.RETURN_CODE_COMPLETED
}
