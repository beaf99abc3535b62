// The test object in Go. Bindings import each other under this module's path, so
// they are generated into a copy of this folder, see ../src/go.rs.
module wit_component

go 1.26

toolchain go1.26.8

require go.bytecodealliance.org/pkg v0.4.0

replace go.bytecodealliance.org/pkg => ../../../guest-sdks/go/runtime
