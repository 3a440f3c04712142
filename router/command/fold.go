package command

import "bytes"

// equalFold compares b with the lower-case ASCII text want in any case.
func equalFold(b []byte, want string) bool {
	if len(b) != len(want) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower(want[i]) {
			return false
		}
	}
	return true
}

// tokenIs reports whether the server would take b for the option want. It
// compares options as C strings: what follows a zero byte does not count, so
// "store\x00" is STORE to it, and must be to us.
func tokenIs(b []byte, want string) bool {
	if len(b) < len(want) {
		return false
	}
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return equalFold(b, want)
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
