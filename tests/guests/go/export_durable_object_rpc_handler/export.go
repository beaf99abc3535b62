// Package export_durable_object_rpc_handler is where the bindings deliver calls of methods.
package export_durable_object_rpc_handler

import (
	"fmt"

	"wit_component/durable_object_types"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

type (
	payload = durable_object_types.Payload
	result  = wit.Result[payload, durable_object_types.Error]
)

func Call(method string, _ wit.Option[payload], _ uint64) result {
	message := fmt.Sprintf("The RPC receiver does not implement the method \"%s\".", method)
	return wit.Err[payload](durable_object_types.Error{Name: "Error", Message: message})
}

func CallReference(_ uint64, method string, arguments wit.Option[payload], caller uint64) result {
	return Call(method, arguments, caller)
}

func Release(_ uint64) {}
