package resp

import "math"

// Limits bound what one request may be. A zero field means the default.
type Limits struct {
	// MaxBulk is the length of one argument, in bytes (proto-max-bulk-len).
	MaxBulk int
	// MaxInline is the length of an inline request, and of any other line, in
	// bytes (PROTO_INLINE_MAX_SIZE); at least 64.
	MaxInline int
	// MaxArgs is the number of arguments of one request.
	MaxArgs int
	// Unauthenticated makes the errors say that MaxBulk and MaxArgs are low
	// because the client has not authenticated.
	Unauthenticated bool
}

// DefaultLimits are those of Redis for a client that may do everything: 512 MB,
// 64 KB, 1,048,576 arguments.
func DefaultLimits() Limits {
	return Limits{MaxBulk: 512 << 20, MaxInline: 64 << 10, MaxArgs: 1 << 20}
}

// UnauthenticatedLimits are those of Redis 7 for a client that must
// authenticate first: 10 arguments of at most 16 KB.
func UnauthenticatedLimits() Limits {
	l := DefaultLimits()
	l.MaxBulk, l.MaxArgs, l.Unauthenticated = 16<<10, 10, true
	return l
}

// withDefaults replaces zero and impossible fields.
func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	if l.MaxBulk <= 0 {
		l.MaxBulk = d.MaxBulk
	}
	if l.MaxInline <= 0 {
		l.MaxInline = d.MaxInline
	}
	l.MaxInline = max(l.MaxInline, 64) // fill takes a header whatever the limit
	if l.MaxArgs <= 0 {
		l.MaxArgs = d.MaxArgs
	}
	return l
}

// checkCount judges the number of a request's arguments.
func (l *Limits) checkCount(n int64, ok bool) error {
	switch {
	case !ok || n > math.MaxInt32:
		return errCount
	case n <= int64(l.MaxArgs):
		return nil
	case l.Unauthenticated:
		return errCountUnauth
	}
	return errCount
}

// checkLength judges the length of one argument.
func (l *Limits) checkLength(n int64, ok bool) error {
	switch {
	case !ok || n < 0:
		return errLength
	case n <= int64(l.MaxBulk):
		return nil
	case l.Unauthenticated && n <= int64(DefaultLimits().MaxBulk):
		return errLengthUnauth
	}
	return errLength
}
