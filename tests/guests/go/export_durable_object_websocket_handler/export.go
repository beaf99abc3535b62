// Package export_durable_object_websocket_handler is where the bindings deliver
// what happens on sockets.
package export_durable_object_websocket_handler

import (
	"wit_component/durable_object_types"
	"wit_component/durable_object_websockets"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

type result = wit.Result[wit.Unit, durable_object_types.Error]

var done = wit.Ok[wit.Unit, durable_object_types.Error](wit.Unit{})

func Message(socket uint64, message durable_object_websockets.Message) result { return done }

func Close(socket uint64, code uint16, reason string, wasClean bool) result { return done }

func Error(socket uint64, message string) result { return done }
