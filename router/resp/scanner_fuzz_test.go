package resp

import (
	"bytes"
	"slices"
	"testing"

	"github.com/tidwall/redcon"
)

func addScanSeeds(f *testing.F) {
	for _, tt := range scanCases {
		if len(tt.in) < 200 {
			f.Add([]byte(tt.in))
		}
	}
	for _, in := range []string{"PING\r\n", "\r\n", "SET k \"a b\\x00\"\n", "'\n", "POST / HTTP/1.1\r\nHost: x\r\n\r\n"} {
		f.Add([]byte(in))
	}
}

// Any input, in any two pieces and byte by byte, gives what it gives as a whole;
// nothing panics, and memory is bounded by the bytes that came.
func FuzzScanner(f *testing.F) {
	addScanSeeds(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, limits := range []Limits{{}, UnauthenticatedLimits(), {MaxBulk: 9, MaxInline: 64, MaxArgs: 3}} {
			checkScan(t, limits, in)
		}
	})
}

func checkScan(t *testing.T, limits Limits, in []byte) {
	s := Scanner{Limits: limits}
	want := feed(&s, in, 0)
	if want.n > len(in) {
		t.Fatalf("a frame of %d bytes in %d", want.n, len(in))
	}
	if cap(s.args) > len(in)+8 {
		t.Fatalf("room for %d arguments of %d bytes", cap(s.args), len(in))
	}
	if s.Need() > 0 && s.Need() <= len(in) {
		t.Fatalf("needs %d bytes of %d", s.Need(), len(in))
	}
	for split := 0; split <= len(in); split += 1 + len(in)/64 {
		s := Scanner{Limits: limits}
		if got := feed(&s, in, split); got != want {
			t.Fatalf("split at %d: got %+v, want %+v", split, got, want)
		}
	}
	s = Scanner{Limits: limits}
	for end := range min(len(in), 512) + 1 {
		n, err := s.Next(bytes.Clone(in[:end]))
		if n > 0 || err != nil {
			if got := scanOutcome(&s, n, err); got != want {
				t.Fatalf("byte by byte: got %+v, want %+v", got, want)
			}
			return
		}
	}
}

// What the scanner takes for a request, redcon takes for the same request.
func FuzzScannerAgainstRedcon(f *testing.F) {
	addScanSeeds(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		var s Scanner
		n, err := s.Next(in)
		if err != nil || s.Inline() || len(s.Args()) == 0 {
			return
		}
		complete, args, _, rest, err := redcon.ReadNextCommand(in[:n], nil)
		if !complete || err != nil || len(rest) != 0 || !slices.EqualFunc(args, s.Args(), bytes.Equal) {
			t.Fatalf("got %q, redcon %v %q, left %q, %v", s.Args(), complete, args, rest, err)
		}
	})
}

// Valid pipelines, made from the fuzzer's bytes: each byte is the length of an
// argument that is cut from what follows, zero ends a request.
func FuzzScannerValid(f *testing.F) {
	f.Add([]byte("\x03GET\x01k\x00\x04PING\x00"))
	f.Add([]byte("\x03SET\x02\r\n\xff$1\r\n*1\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		requests := cutRequests(in)
		var wire []byte
		for _, args := range requests {
			wire = AppendCommand(wire, args...)
		}
		cmds, err := redcon.NewReader(bytes.NewReader(wire)).ReadCommands()
		if err != nil && len(requests) > 0 {
			t.Fatalf("redcon: %v", err)
		}
		var s Scanner
		for i, want := range requests {
			n, err := s.Next(wire)
			if n == 0 || err != nil || s.Inline() || !slices.EqualFunc(s.Args(), want, bytes.Equal) {
				t.Fatalf("request %d: got %d %q %v, want %q", i, n, s.Args(), err, want)
			}
			// redcon returns what one read of its own buffer has brought.
			if i < len(cmds) && !slices.EqualFunc(s.Args(), cmds[i].Args, bytes.Equal) {
				t.Fatalf("request %d: got %q, redcon %q", i, s.Args(), cmds[i].Args)
			}
			wire = wire[n:]
		}
		if len(wire) > 0 {
			t.Fatalf("left: %q", wire)
		}
	})
}

func cutRequests(in []byte) (requests [][][]byte) {
	var args [][]byte
	for len(in) > 0 {
		size := min(int(in[0]), len(in)-1)
		if size > 0 {
			args = append(args, in[1:1+size])
		} else if len(args) > 0 {
			requests = append(requests, args)
			args = nil
		}
		in = in[1+size:]
	}
	if len(args) > 0 {
		requests = append(requests, args)
	}
	return requests
}
