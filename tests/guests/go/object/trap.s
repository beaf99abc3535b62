// How does the instance trap? By the one instruction that is there for it.

// func trap()
TEXT ·trap(SB), 4, $0-0 // 4 is NOSPLIT
	UNDEF
	RET
