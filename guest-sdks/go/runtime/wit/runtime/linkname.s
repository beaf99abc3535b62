// Why an empty assembly file? With one, Go accepts functions that have no body: runtime.go
// links them to functions of Go's runtime.
