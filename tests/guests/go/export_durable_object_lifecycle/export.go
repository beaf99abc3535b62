// Package export_durable_object_lifecycle is where the bindings call the constructor.
package export_durable_object_lifecycle

import (
	"wit_component/durable_object_types"
	"wit_component/object"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

func Start() wit.Result[wit.Unit, durable_object_types.Error] { return object.Start() }
