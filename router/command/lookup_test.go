package command

import (
	"strings"
	"testing"
)

func TestLookupFindsEveryCommand(t *testing.T) {
	for _, c := range all {
		for _, name := range []string{c.Name, strings.ToUpper(c.Name), strings.ToUpper(c.Name[:1]) + c.Name[1:]} {
			if Lookup([]byte(name)) != c {
				t.Errorf("%s is not found", name)
			}
		}
		for i := range c.Name {
			for b := range 256 {
				near := c.Name[:i] + string([]byte{byte(b)}) + c.Name[i+1:]
				if got, want := Lookup([]byte(near)), byPlainSearch(near); got != want {
					t.Fatalf("%q: got %v, want %v", near, got, want)
				}
			}
		}
	}
}

// byPlainSearch is Lookup without its cleverness.
func byPlainSearch(name string) *Command {
	for _, c := range all {
		if len(c.Name) == len(name) && equalFold([]byte(name), c.Name) {
			return c
		}
	}
	return nil
}

func TestNamesFitTheIndex(t *testing.T) {
	if len(all) > indexSize/2 {
		t.Errorf("%d commands in %d places", len(all), indexSize)
	}
	for i, c := range all {
		if len(c.Name) > maxName || c.Name != strings.ToLower(c.Name) {
			t.Errorf("%q is too long, or not lower case", c.Name)
		}
		if i > 0 && all[i-1].Name >= c.Name {
			t.Errorf("%q and %q are double, or not sorted", all[i-1].Name, c.Name)
		}
	}
}

func TestResolve(t *testing.T) {
	for _, test := range []struct{ request, want string }{
		{"GET k", "get"},
		{"config", "config"},
		{"CONFIG get *", "config|get"},
		{"Object ENCODING k", "object|encoding"},
		{"command", "command"},
		{"COMMAND Count", "command|count"},
		{"CLIENT setinfo LIB-NAME x", "client|setinfo"},
		{"config ge", ""},
		{"config gett", ""},
		{`config ""`, ""},
		{"memory config|get", ""},
	} {
		args := arguments(test.request)
		c := Lookup(args[0]).Resolve(args)
		if c == nil && test.want != "" || c != nil && c.Name != test.want {
			t.Errorf("%s: %v, want %q", test.request, c, test.want)
		}
	}
}

func FuzzLookup(f *testing.F) {
	for _, name := range []string{"", "g", "GET", "geoRadiusByMember_RO", "restore\rasking", "\xe7et", "subscribe\x00"} {
		f.Add([]byte(name))
	}
	f.Fuzz(func(t *testing.T, name []byte) {
		if got, want := Lookup(name), byPlainSearch(string(name)); got != want {
			t.Errorf("%q: got %v, want %v", name, got, want)
		}
	})
}

func TestLookupAllocatesNothing(t *testing.T) {
	get, mset := arguments("GET k"), arguments("MSET a 1 b 2 c 3 d 4")
	object, eval, xread := arguments("OBJECT ENCODING k"), arguments("EVAL s 2 a b"), arguments("XREAD COUNT 1 STREAMS a b 0 0")
	keys := make([]int, 0, 16)
	for _, args := range [][][]byte{get, mset, object, eval, xread} {
		if n := testing.AllocsPerRun(100, func() {
			c := Lookup(args[0]).Resolve(args)
			if !c.CheckArity(len(args)) || c.Check(args, nil) != nil {
				t.Fatal(c.Name)
			}
			if _, err := c.AppendKeys(keys, args); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", args[0], n)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	for _, name := range []string{"GET", "get", "SETEX", "EXPIREAT", "GEORADIUSBYMEMBER_RO", "NOSUCH"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			key := []byte(name)
			for b.Loop() {
				sink = Lookup(key)
			}
		})
	}
}

func BenchmarkResolve(b *testing.B) {
	b.ReportAllocs()
	args := arguments("OBJECT REFCOUNT k")
	for b.Loop() {
		sink = Lookup(args[0]).Resolve(args)
	}
}

var sink *Command
