// Package export_durable_object_alarm_handler is where the bindings deliver alarms.
package export_durable_object_alarm_handler

import (
	"wit_component/durable_object_alarm_handler"
	"wit_component/durable_object_types"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

func Alarm(durable_object_alarm_handler.AlarmInfo) wit.Result[wit.Unit, durable_object_types.Error] {
	return wit.Ok[wit.Unit, durable_object_types.Error](wit.Unit{})
}
