// What do the bindings that wit-bindgen-go generates run on? They import this path.
//
// The module leans on unexported names of Go's runtime (procPin, writeBarrier,
// nanotime, timeSleepUntil), so a component is built with a Go version that it was
// tested with, and linked with -checklinkname=0. Tested with Go 1.26.8.
module go.bytecodealliance.org/pkg

go 1.26
