package command

import "testing"

// tagSlot is a slot rule for tests: Codis's hash tag, the first byte its slot.
func tagSlot(key []byte) int {
	for i, b := range key {
		if b == '{' {
			for j := i + 1; j < len(key); j++ {
				if key[j] == '}' {
					key = key[i+1 : j]
					break
				}
			}
			break
		}
	}
	if len(key) == 0 {
		return 0
	}
	return int(key[0])
}

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		name, request string
		want          error
	}{
		{"sort", "SORT {a}k", nil},
		{"not sorted", "SORT {a}k BY nosort GET #", nil},
		{"not sorted, as written elsewhere", "SORT {a}k BY NoSuchKey", nil},
		{"weights in the slot", "SORT {a}k BY {a}w_*", nil},
		{"hash fields in the slot", "SORT {a}k BY {a}w_*->f GET {a}o_*->g", nil},
		{"weights anywhere", "SORT {a}k BY w_*", errSortBy},
		{"weights of another tag", "SORT {a}k BY {b}w_*", errSortBy},
		{"tag behind the star", "SORT {a}k BY w_*{a}", errSortBy},
		{"star in the tag", "SORT {a}k BY {a*}w", errSortBy},
		{"tag closed behind the star", "SORT {a}k BY {*}w", errSortBy},
		{"brace closed before it is opened", "SORT {a}k BY }{a*}", errSortBy},
		{"the plain key's own name as a tag", "SORT a BY {a}w_*", nil},
		{"objects anywhere", "SORT {a}k GET o_*", errSortGet},
		{"second objects anywhere", "SORT {a}k GET # GET {a}o_* GET o_*", errSortGet},
		{"elements themselves", "SORT {a}k GET #", nil},
		{"objects without a star are nil", "SORT {a}k GET o", nil},
		{"first of two", "SORT {a}k BY w_* GET o_*", errSortBy},
		{"behind LIMIT", "SORT {a}k LIMIT BY w_* GET o_*", errSortGet},
		{"a key that is called BY", "SORT {a}k STORE BY DESC", nil},
		{"by and a zero byte", "SORT {a}k by\x00 w_*", errSortBy},
		{"option without its argument", "SORT {a}k BY", nil},
		{"read-only", "SORT_RO {a}k GET o_*", errSortGet},
		{"stored", "SORT {a}k STORE {a}d GET {a}o_*", nil},

		{"xread", "XREAD STREAMS a 0", nil},
		{"xread and block", "XREAD BLOCK 0 STREAMS a 0", errXReadBlock},
		{"xread and block, zero byte", "XREAD block\x00 0 STREAMS a 0", errXReadBlock},
		{"a stream that is called block", "XREAD STREAMS block 0", nil},
		{"a count that is called block", "XREAD COUNT BLOCK STREAMS a 0", nil},
		{"group and block", "XREADGROUP GROUP g c COUNT 1 block 5 STREAMS a >", errXReadBlock},
		{"a group that is called block", "XREADGROUP GROUP block block STREAMS a >", nil},
		{"no check", "GET BLOCK", nil},
	} {
		args := rawArguments(test.request)
		c := resolve(t, args)
		if got := c.Check(args, tagSlot); got != test.want {
			t.Errorf("%s: %s: %v, want %v", test.name, test.request, got, test.want)
		}
		if test.want != nil && !c.Flags.Has(FlagCheck) {
			t.Errorf("%s has a check, and not FlagCheck", c.Name)
		}
	}
}
