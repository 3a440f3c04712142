package resp

import (
	"bytes"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// feed gives in to s in two pieces, the first of them in a buffer of its own.
func feed(s *Scanner, in []byte, split int) outcome {
	n, err := s.Next(bytes.Clone(in[:split]))
	if n == 0 && err == nil {
		n, err = s.Next(in)
	}
	return scanOutcome(s, n, err)
}

func TestScannerEverySplit(t *testing.T) {
	for _, tt := range scanCases {
		if len(tt.in) > 1000 {
			continue
		}
		var s Scanner
		want := feed(&s, []byte(tt.in), 0)
		for split := range len(tt.in) {
			s.Reset()
			if got := feed(&s, []byte(tt.in), split); got != want {
				t.Errorf("%s at %d: got %+v, want %+v", tt.name, split, got, want)
			}
		}
	}
}

// scanPoisoned gives frame to the scanner in pieces. Before each piece it
// overwrites all that the scanner has been through: if it looked there again,
// it would find an error. This counts work, and not time: until the frame is
// whole no byte is looked at twice, but for the header of the current bulk.
func scanPoisoned(t *testing.T, s *Scanner, frame []byte, piece int) {
	t.Helper()
	buf := bytes.Clone(frame)
	poisoned := 1
	for end := piece; end < len(buf); end += piece {
		if n, err := s.Next(buf[:end]); n != 0 || err != nil {
			t.Fatalf("after %d bytes: %d, %v", end, n, err)
		}
		seen := max(s.pos, s.seek)
		header := s.pos + bytes.IndexByte(frame[s.pos:], '\n')
		if header < end {
			seen = min(end, s.need-2) // inside a bulk
		} else if end-seen > 32 {
			t.Fatalf("after %d bytes only %d are done with", end, seen)
		}
		for ; poisoned < seen; poisoned++ {
			if poisoned < s.pos || poisoned > header {
				buf[poisoned] = '\n'
			}
		}
	}
	copy(buf, frame)
	if n, err := s.Next(buf); n != len(frame) || err != nil {
		t.Fatalf("whole: %d, %v", n, err)
	}
}

func TestScannerNeverRescans(t *testing.T) {
	many := AppendArray(nil, 1<<20)
	for i := range 1 << 20 {
		many = AppendBulkString(many, strconv.Itoa(i%7))
	}
	tests := []struct {
		name  string
		frame []byte
	}{
		{"a bulk of 64 MB", AppendCommandStrings(nil, "SET", "k", strings.Repeat("x", 64<<20))},
		{"a million arguments", many},
		{"arguments of 1000 bytes", AppendCommandStrings(nil, strings.Split(strings.Repeat(strings.Repeat("y", 1000)+" ", 1000), " ")...)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s Scanner
			scanPoisoned(t, &s, tt.frame, 1024)
		})
	}
}

// An inline request of 64 KB, byte by byte: each byte is searched for LF once.
func TestScannerNeverRescansInline(t *testing.T) {
	buf := []byte("ECHO " + strings.Repeat("z", 60<<10) + "\r\n")
	var s Scanner
	for end := 1; end < len(buf); end++ {
		if n, err := s.Next(buf[:end]); n != 0 || err != nil || s.seek != end {
			t.Fatalf("after %d bytes: %d, %v, searched %d", end, n, err, s.seek)
		}
	}
	if n, err := s.Next(buf); n != len(buf) || err != nil {
		t.Fatal(n, err)
	}
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// What is announced allocates nothing.
func TestScannerMemoryFollowsBytes(t *testing.T) {
	tests := []struct{ name, in string }{
		{"a million arguments announced", "*1048576\r\n$1\r\na\r\n"},
		{"512 MB announced", "*1\r\n$536870912\r\nabc"},
		{"both", "*1048576\r\n$536870912\r\nabc"},
		{"a line of quotes", strings.Repeat(`"a" `, 15<<10) + "\n"},
		{"a line of words", strings.Repeat(`a `, 30<<10) + "\n"},
	}
	for _, tt := range tests {
		in := []byte(tt.in)
		var s Scanner
		got := allocated(func() { s.Next(in) })
		if limit := uint64(64*len(in) + 4096); got > limit {
			t.Errorf("%s: %d bytes for %d, want at most %d", tt.name, got, len(in), limit)
		}
	}
}

// The memory of a large request does not stay with the connection.
func TestScannerShrinks(t *testing.T) {
	large := AppendCommandStrings(nil, strings.Split(strings.Repeat("k ", 100_000), " ")...)
	small := AppendCommandStrings(nil, "PING")
	var s Scanner
	s.Next(large)
	if cap(s.args) < 100_000 {
		t.Fatalf("got %d arguments", len(s.args))
	}
	s.Next(small)
	if cap(s.args) > keptArgs {
		t.Errorf("keeps room for %d arguments", cap(s.args))
	}
}
