package command

import (
	"bytes"
	"slices"
	"testing"
)

// TestKeyIsTheOnlyKey: the fast path says what the key specs say.
func TestKeyIsTheOnlyKey(t *testing.T) {
	simple := 0
	forEach(func(c *Command) {
		if c.Key == 0 {
			return
		}
		simple++
		args := make([][]byte, max(c.Arity, -c.Arity)+3)
		slow := *c
		slow.Key = 0
		keys, err := slow.AppendKeys(nil, args)
		if err != nil || !slices.Equal(keys, []int{c.Key}) {
			t.Errorf("%s: Key is %d, AppendKeys %v, %v", c.Name, c.Key, keys, err)
		}
		if least := max(c.Arity, -c.Arity); c.Key >= least {
			t.Errorf("%s: Key is %d, and a request of %d arguments is taken", c.Name, c.Key, least)
		}
	})
	if simple < 120 {
		t.Errorf("only %d commands have a fast path", simple)
	}
}

// TestKeysOfOptions: a word is an option where the server takes it for one.
// It reads options as C strings, so that a zero byte ends them.
func TestKeysOfOptions(t *testing.T) {
	for _, test := range []struct {
		name, request string
		want          []int
	}{
		{"store", "SORT k STORE d", []int{1, 3}},
		{"store and a zero byte", "SORT k STORE\x00x d", []int{1, 3}},
		{"a zero byte first", "SORT k \x00STORE d", []int{1}},
		{"longer word", "SORT k STORES d", []int{1}},
		{"store without a key", "SORT k STORE", []int{1}},
		{"read-only takes no store", "SORT_RO k STORE d", []int{1}},
		{"behind an unknown option", "SORT k FOO STORE d", []int{1}},
		{"streams and a zero byte", "XREAD streams\x00 a 0", []int{2}},
		{"storedist and a zero byte", "GEORADIUS k 1 2 3 m StoreDist\x00 d", []int{1, 7}},
		{"store at the place of the unit", "GEORADIUS k 1 2 3 STORE d", []int{1}},
	} {
		args := rawArguments(test.request)
		got, err := resolve(t, args).AppendKeys(nil, args)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: keys %v, %v, want %v", test.name, got, err, test.want)
		}
	}
}

func TestAppendKeysKeepsWhatIsThere(t *testing.T) {
	for _, request := range []string{"GET k", "ZUNION 2 a b", "ZUNION 5 a", "XREAD a b c", "MSET a 1 b", "ZUNIONSTORE d 9 a", "SORT k STORE d", "PING", "EVAL s 0"} {
		args := arguments(request)
		got, err := resolve(t, args).AppendKeys([]int{-1, -2}, args)
		if len(got) < 2 || got[0] != -1 || got[1] != -2 || err != nil && len(got) != 2 {
			t.Errorf("%s: %v, %v", request, got, err)
		}
	}
}

// FuzzRequest gives any arguments to every function that takes a request from
// the wire. None may panic, and keys are always arguments.
func FuzzRequest(f *testing.F) {
	for _, e := range readExamples(f) {
		f.Add(bytes.Join(e.request, []byte{'\n'}))
	}
	for _, seed := range []string{"ZUNION\n9223372036854775807\na", "SORT\nk\nGET", "XREADGROUP\nGROUP", "EVAL\ns\n-1", "COMMAND\nGETKEYSANDFLAGS\nSET\nk\nv\nget"} {
		f.Add([]byte(seed))
	}
	slotOf := func(key []byte) int { return len(key) }
	f.Fuzz(func(t *testing.T, line []byte) {
		args := bytes.Split(line, []byte{'\n'})
		mustParse(t, AppendUnknown(nil, args))
		mustParse(t, AppendCommandReply(nil, args))
		for _, sub := range []string{"GETKEYS", "GETKEYSANDFLAGS", "INFO", "DOCS", "LIST"} {
			mustParse(t, AppendCommandReply(nil, append([][]byte{[]byte("COMMAND"), []byte(sub)}, args...)))
		}
		c := Lookup(args[0])
		if c == nil {
			return
		}
		// Resolved or not, and whatever their number is: a caller that forgets
		// CheckArity gets an error, not a panic.
		for _, row := range []*Command{c, c.Resolve(args)} {
			if row == nil {
				continue
			}
			keys, err := row.AppendKeys(nil, args)
			if err != nil && len(keys) > 0 {
				t.Errorf("%q: keys %v and %v", line, keys, err)
			}
			for _, key := range keys {
				if key < 1 || key >= len(args) {
					t.Errorf("%q: key %d", line, key)
				}
			}
			if err := row.Check(args, slotOf); err != nil {
				mustParse(t, append([]byte("-"+err.Error()), "\r\n"...))
			}
		}
	})
}

func BenchmarkAppendKeys(b *testing.B) {
	for _, request := range []string{"GET k", "MGET a b c d e f g h i j", "EVAL s 2 a b", "XREADGROUP GROUP g c COUNT 1 STREAMS a b > >", "SORT k BY w_* STORE d"} {
		args := arguments(request)
		c := resolve(b, args)
		b.Run(c.Name, func(b *testing.B) {
			b.ReportAllocs()
			keys := make([]int, 0, 16)
			for b.Loop() {
				keys, _ = c.AppendKeys(keys[:0], args)
			}
		})
	}
}
