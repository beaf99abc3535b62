// Package object answers: how does the test object begin, and how does it end an
// event? Its routes are listed in ../../src/lib.rs.
//
// Each event has a goroutine of its own. Others run while it waits, and may run at
// any allocation, so what events share is touched only with a lock held.
package object

import (
	"fmt"
	"sync/atomic"

	"wit_component/durable_object_types"

	"go.bytecodealliance.org/pkg/wit/async"
	wit "go.bytecodealliance.org/pkg/wit/types"
)

type (
	Body     = durable_object_types.Body
	End      = wit.Result[wit.Unit, Error]
	Error    = durable_object_types.Error
	Request  = durable_object_types.Request
	Response = durable_object_types.Response
)

var started atomic.Int64

// Start is the constructor.
func Start() End {
	started.Add(1)
	return wit.Ok[wit.Unit, Error](wit.Unit{})
}

// Fetch answers one request; a panic becomes the error of this one event.
func Fetch(request Request) wit.Result[Response, Error] {
	return async.Guard(func() wit.Result[Response, Error] {
		defer begin().end()
		response, failure := answer(request)
		if failure != nil {
			return wit.Err[Response](*failure)
		}
		return wit.Ok[Response, Error](response)
	}, func(reason any) wit.Result[Response, Error] {
		return wit.Err[Response](Error{Name: fmt.Sprintf("%T", reason), Message: fmt.Sprint(reason)})
	})
}

func refusal(message string) *Error { return &Error{Name: "Error", Message: message} }
