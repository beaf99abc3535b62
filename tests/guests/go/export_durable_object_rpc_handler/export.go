// Package export_durable_object_rpc_handler is where the bindings deliver calls of methods.
package export_durable_object_rpc_handler

import (
	"fmt"

	"wit_component/durable_object_types"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

func Call(method string, arguments []byte) wit.Result[[]byte, durable_object_types.Error] {
	message := fmt.Sprintf("The RPC receiver does not implement the method \"%s\".", method)
	return wit.Err[[]byte](durable_object_types.Error{Name: "Error", Message: message})
}
