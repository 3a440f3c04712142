package resp

import "math"

// parseInt reads a whole line as Redis's string2ll does: an optional minus, no
// plus, no leading zeros, no spaces, no "-0", nothing beyond 64 bits.
func parseInt(line []byte) (n int64, ok bool) {
	negative := len(line) > 0 && line[0] == '-'
	if negative {
		line = line[1:]
	}
	if len(line) == 0 || len(line) > 19 {
		return 0, false
	}
	if line[0] == '0' {
		return 0, len(line) == 1 && !negative
	}
	var u uint64 // 19 digits always fit
	for _, c := range line {
		d := c - '0'
		if d > 9 {
			return 0, false
		}
		u = u*10 + uint64(d)
	}
	if negative {
		return -int64(u), u <= -math.MinInt64
	}
	return int64(u), u <= math.MaxInt64
}
