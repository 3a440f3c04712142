package router

// faults are mutants: each turns one rule of SAFETY.md off, so that a test can show
// that it would be missed. Only tests set them.
type faults struct {
	// replyUnleased gives replies that have come after the lease had run out (L2).
	replyUnleased bool
	// drainForgets leaves requests that have timed out out of the drain (L3).
	drainForgets bool
	// uncounted is how many of the requests of a slot a drain overlooks, as if they
	// were counted only some time after their route had been read (L3).
	uncounted func(l *loop, slot int) int32
	// trustOpened uses connections that were opened before the lease lapsed (L4).
	trustOpened bool
	// trustRestarted uses a master that is another process than the table says (F4).
	trustRestarted bool
	// keepMoved keeps what is known to have moved when a server is another one (M5).
	keepMoved bool
	// readsUnchecked gives the reply of a read at the source whatever the check behind it
	// says (K).
	readsUnchecked bool
	// resolve is which server is asked instead of the table's (F3).
	resolve func(target) target
}
