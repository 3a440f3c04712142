package command

import "strings"

// numkeysErrors are the texts with which a server refuses the argument that
// counts the keys. They differ from command to command.
type numkeysErrors struct {
	min                      int64 // the smallest count that is taken
	notInteger, few, tooMany string
}

// numkeysErrorsOf returns the texts of c, if it has such an argument.
func numkeysErrorsOf(c *Command) numkeysErrors {
	const notInteger = "ERR value is not an integer or out of range"
	switch {
	case strings.HasPrefix(c.Name, "eval"):
		return numkeysErrors{0, notInteger, numkeysNegative, numkeysTooMany}
	case strings.HasPrefix(c.Name, "fcall"):
		return numkeysErrors{0, "ERR Bad number of keys provided", numkeysNegative, numkeysTooMany}
	case c.Name == "sintercard":
		return numkeysErrors{1, numkeysFew, numkeysFew, numkeysTooMany}
	case strings.HasSuffix(c.Name, "mpop"):
		return numkeysErrors{1, numkeysFew, numkeysFew, string(ErrSyntax)}
	}
	return numkeysErrors{1, notInteger,
		"ERR at least 1 input key is needed for '" + c.Name + "' command", string(ErrSyntax)}
}

const (
	numkeysNegative = "ERR Number of keys can't be negative"
	numkeysTooMany  = "ERR Number of keys can't be greater than number of args"
	numkeysFew      = "ERR numkeys should be greater than 0"
)

// appendCountedKeys appends the indexes of as many keys as the argument at
// count says, the first of them at first.
func (c *Command) appendCountedKeys(dst []int, args [][]byte, count, first, step int) ([]int, error) {
	if count >= len(args) || step < 1 {
		return dst, c.arityError()
	}
	texts := &c.numkeys
	n, ok := parseInt(args[count])
	if !ok {
		return dst, Error(texts.notInteger)
	}
	// Comparing n before any arithmetic keeps 1<<62 from overflowing.
	if n < texts.min {
		return dst, Error(texts.few)
	}
	if n > int64((len(args)-first)/step) {
		return dst, Error(texts.tooMany)
	}
	for i := first; i < first+int(n)*step; i += step {
		dst = append(dst, i)
	}
	return dst, nil
}

// parseInt reads a decimal integer as strictly as the server does: no spaces,
// no plus sign, no leading zero, and within 64 bits.
func parseInt(b []byte) (int64, bool) {
	if len(b) == 1 && b[0] == '0' {
		return 0, true
	}
	digits, negative := b, false
	if len(b) > 0 && b[0] == '-' {
		digits, negative = b[1:], true
	}
	if len(digits) == 0 || len(digits) > 19 || digits[0] == '0' {
		return 0, false
	}
	var n uint64 // 19 digits always fit
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = n*10 + uint64(d-'0')
	}
	if negative {
		return -int64(n), n <= 1<<63
	}
	return int64(n), n < 1<<63
}
