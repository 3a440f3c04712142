package resp

import (
	"bytes"
	"strings"
	"testing"
)

// frames are the requests that the hot path is tuned for.
var frames = []struct {
	name string
	buf  []byte
	n    int // requests in buf
}{
	{"get", AppendCommandStrings(nil, "GET", "key:000000012345"), 1},
	{"set64", AppendCommandStrings(nil, "SET", "key:000000012345", strings.Repeat("x", 64)), 1},
	{"pipeline16xset64", bytes.Repeat(AppendCommandStrings(nil, "SET", "key:000000012345", strings.Repeat("x", 64)), 16), 16},
	{"mget10", AppendCommandStrings(nil, "MGET", "k:1", "k:2", "k:3", "k:4", "k:5", "k:6", "k:7", "k:8", "k:9", "k:10"), 1},
	{"set64k", AppendCommandStrings(nil, "SET", "key:000000012345", strings.Repeat("x", 64<<10)), 1},
}

func scanAll(tb testing.TB, s *Scanner, buf []byte) {
	for len(buf) > 0 {
		n, err := s.Next(buf)
		if n == 0 {
			tb.Fatalf("n = 0, err = %v", err)
		}
		buf = buf[n:]
	}
}

func BenchmarkScanner(b *testing.B) {
	for _, f := range frames {
		b.Run(f.name, func(b *testing.B) {
			s := Scanner{Limits: DefaultLimits()}
			b.ReportAllocs()
			for b.Loop() {
				scanAll(b, &s, f.buf)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*f.n), "ns/request")
		})
	}
}

// BenchmarkScannerSplit has every request arrive in two pieces.
func BenchmarkScannerSplit(b *testing.B) {
	buf := frames[1].buf
	s := Scanner{Limits: DefaultLimits()}
	b.ReportAllocs()
	for b.Loop() {
		if n, _ := s.Next(buf[:len(buf)/2]); n != 0 {
			b.Fatal(n)
		}
		scanAll(b, &s, buf)
	}
}

func TestScannerDoesNotAllocate(t *testing.T) {
	for _, f := range frames {
		s := Scanner{Limits: DefaultLimits()}
		if got := testing.AllocsPerRun(100, func() { scanAll(t, &s, f.buf) }); got != 0 {
			t.Errorf("%s: %v allocations", f.name, got)
		}
		if got := testing.AllocsPerRun(100, func() {
			s.Next(f.buf[:len(f.buf)-1])
			s.Next(f.buf)
			s.Reset()
		}); got != 0 {
			t.Errorf("%s in two pieces: %v allocations", f.name, got)
		}
	}
}
