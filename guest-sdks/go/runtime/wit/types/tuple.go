// Which Go types stand for tuples?

package wit_types

// WIT's tuples, up to the 16 fields that the bindings generator uses.
type (
	Tuple1[T0 any] struct {
		F0 T0
	}
	Tuple2[T0, T1 any] struct {
		F0 T0
		F1 T1
	}
	Tuple3[T0, T1, T2 any] struct {
		F0 T0
		F1 T1
		F2 T2
	}
	Tuple4[T0, T1, T2, T3 any] struct {
		F0 T0
		F1 T1
		F2 T2
		F3 T3
	}
	Tuple5[T0, T1, T2, T3, T4 any] struct {
		F0 T0
		F1 T1
		F2 T2
		F3 T3
		F4 T4
	}
	Tuple6[T0, T1, T2, T3, T4, T5 any] struct {
		F0 T0
		F1 T1
		F2 T2
		F3 T3
		F4 T4
		F5 T5
	}
	Tuple7[T0, T1, T2, T3, T4, T5, T6 any] struct {
		F0 T0
		F1 T1
		F2 T2
		F3 T3
		F4 T4
		F5 T5
		F6 T6
	}
	Tuple8[T0, T1, T2, T3, T4, T5, T6, T7 any] struct {
		F0 T0
		F1 T1
		F2 T2
		F3 T3
		F4 T4
		F5 T5
		F6 T6
		F7 T7
	}
	Tuple9[T0, T1, T2, T3, T4, T5, T6, T7, T8 any] struct {
		F0 T0
		F1 T1
		F2 T2
		F3 T3
		F4 T4
		F5 T5
		F6 T6
		F7 T7
		F8 T8
	}
	Tuple10[T0, T1, T2, T3, T4, T5, T6, T7, T8, T9 any] struct {
		F0 T0
		F1 T1
		F2 T2
		F3 T3
		F4 T4
		F5 T5
		F6 T6
		F7 T7
		F8 T8
		F9 T9
	}
	Tuple11[T0, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10 any] struct {
		F0  T0
		F1  T1
		F2  T2
		F3  T3
		F4  T4
		F5  T5
		F6  T6
		F7  T7
		F8  T8
		F9  T9
		F10 T10
	}
	Tuple12[T0, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11 any] struct {
		F0  T0
		F1  T1
		F2  T2
		F3  T3
		F4  T4
		F5  T5
		F6  T6
		F7  T7
		F8  T8
		F9  T9
		F10 T10
		F11 T11
	}
	Tuple13[T0, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12 any] struct {
		F0  T0
		F1  T1
		F2  T2
		F3  T3
		F4  T4
		F5  T5
		F6  T6
		F7  T7
		F8  T8
		F9  T9
		F10 T10
		F11 T11
		F12 T12
	}
	Tuple14[T0, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13 any] struct {
		F0  T0
		F1  T1
		F2  T2
		F3  T3
		F4  T4
		F5  T5
		F6  T6
		F7  T7
		F8  T8
		F9  T9
		F10 T10
		F11 T11
		F12 T12
		F13 T13
	}
	Tuple15[T0, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14 any] struct {
		F0  T0
		F1  T1
		F2  T2
		F3  T3
		F4  T4
		F5  T5
		F6  T6
		F7  T7
		F8  T8
		F9  T9
		F10 T10
		F11 T11
		F12 T12
		F13 T13
		F14 T14
	}
	Tuple16[T0, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14, T15 any] struct {
		F0  T0
		F1  T1
		F2  T2
		F3  T3
		F4  T4
		F5  T5
		F6  T6
		F7  T7
		F8  T8
		F9  T9
		F10 T10
		F11 T11
		F12 T12
		F13 T13
		F14 T14
		F15 T15
	}
)
