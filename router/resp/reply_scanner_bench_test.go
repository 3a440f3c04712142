package resp

import (
	"bytes"
	"strings"
	"testing"
)

var replies = []struct {
	name string
	buf  []byte
	n    int
}{
	{"ok", AppendSimple(nil, "OK"), 1},
	{"int", AppendInt(nil, 1), 1},
	{"nil", AppendNil(nil), 1},
	{"bulk64", AppendBulkString(nil, strings.Repeat("x", 64)), 1},
	{"error", AppendError(nil, "WRONGTYPE Operation against a key holding the wrong kind of value"), 1},
	{"pipeline16xbulk64", bytes.Repeat(AppendBulkString(nil, strings.Repeat("x", 64)), 16), 16},
	{"array10", AppendCommandStrings(nil, "a:1", "a:2", "a:3", "a:4", "a:5", "a:6", "a:7", "a:8", "a:9", "a:10"), 1},
}

func scanReplies(tb testing.TB, s *ReplyScanner, buf []byte) {
	for len(buf) > 0 {
		n, err := s.Next(buf)
		if n == 0 {
			tb.Fatalf("n = 0, err = %v", err)
		}
		buf = buf[n:]
	}
}

func BenchmarkReplyScanner(b *testing.B) {
	for _, r := range replies {
		b.Run(r.name, func(b *testing.B) {
			var s ReplyScanner
			b.ReportAllocs()
			for b.Loop() {
				scanReplies(b, &s, r.buf)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*r.n), "ns/reply")
		})
	}
}

func TestReplyScannerDoesNotAllocate(t *testing.T) {
	for _, r := range replies {
		var s ReplyScanner
		if got := testing.AllocsPerRun(100, func() {
			s.Next(r.buf[:len(r.buf)-1])
			s.Reset()
			scanReplies(t, &s, r.buf)
		}); got != 0 {
			t.Errorf("%s: %v allocations", r.name, got)
		}
	}
}
