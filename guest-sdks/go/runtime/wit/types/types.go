// Package wit_types answers: which Go types stand for WIT's own?
//
// Its names are those that generated bindings use.
package wit_types

// Unit is the type of a missing payload.
type Unit struct{}

const (
	OptionNone = 0
	OptionSome = 1
	ResultOk   = 0
	ResultErr  = 1
)

// Option is WIT's option<T>.
type Option[T any] struct {
	some  bool
	value T
}

func None[T any]() Option[T]        { return Option[T]{} }
func Some[T any](value T) Option[T] { return Option[T]{true, value} }

func (o Option[T]) IsSome() bool { return o.some }
func (o Option[T]) IsNone() bool { return !o.some }

func (o Option[T]) Tag() uint8 {
	if o.some {
		return OptionSome
	}
	return OptionNone
}

func (o Option[T]) Some() T {
	if !o.some {
		panic("wit: Some of a None")
	}
	return o.value
}

func (o Option[T]) SomeOr(otherwise T) T {
	if o.some {
		return o.value
	}
	return otherwise
}

// Result is WIT's result<T, E>.
type Result[T, E any] struct {
	failed bool
	ok     T
	err    E
}

func Ok[T, E any](value T) Result[T, E]  { return Result[T, E]{ok: value} }
func Err[T, E any](value E) Result[T, E] { return Result[T, E]{failed: true, err: value} }

func (r Result[T, E]) IsOk() bool  { return !r.failed }
func (r Result[T, E]) IsErr() bool { return r.failed }

func (r Result[T, E]) Tag() uint8 {
	if r.failed {
		return ResultErr
	}
	return ResultOk
}

func (r Result[T, E]) Ok() T {
	if r.failed {
		panic("wit: Ok of an Err")
	}
	return r.ok
}

func (r Result[T, E]) Err() E {
	if !r.failed {
		panic("wit: Err of an Ok")
	}
	return r.err
}
