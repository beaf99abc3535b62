// Package export_durable_object_fetch_handler is where the bindings deliver requests.
package export_durable_object_fetch_handler

import (
	"wit_component/durable_object_types"
	"wit_component/object"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

func Fetch(request durable_object_types.Request, _ uint64) wit.Result[durable_object_types.Response, durable_object_types.Error] {
	return object.Fetch(request)
}
