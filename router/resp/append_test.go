package resp

import (
	"math"
	"strings"
	"testing"
)

func TestAppend(t *testing.T) {
	tests := []struct{ name, got, want string }{
		{"command", string(AppendCommand(nil, []byte("GET"), []byte("k"))), "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"},
		{"command of strings", string(AppendCommandStrings(nil, "GET", "")), "*2\r\n$3\r\nGET\r\n$0\r\n\r\n"},
		{"empty array", string(AppendArray(nil, 0)), "*0\r\n"},
		{"array of ten", string(AppendArray(nil, 10)), "*10\r\n"},
		{"bulk", string(AppendBulk(nil, []byte("a\r\nb"))), "$4\r\na\r\nb\r\n"},
		{"long bulk", string(AppendBulkString(nil, strings.Repeat("x", 100))), "$100\r\n" + strings.Repeat("x", 100) + "\r\n"},
		{"after something", string(AppendInt([]byte("+OK\r\n"), 7)), "+OK\r\n:7\r\n"},
		{"smallest int", string(AppendInt(nil, math.MinInt64)), ":-9223372036854775808\r\n"},
		{"negative int", string(AppendInt(nil, -1)), ":-1\r\n"},
		{"nil", string(AppendNil(nil)), "$-1\r\n"},
		{"nil array", string(AppendNilArray(nil)), "*-1\r\n"},
		{"simple", string(AppendSimple(nil, "OK")), "+OK\r\n"},
		{"error", string(AppendError(nil, "ERR no\r\n:1\r\n")), "-ERR no  :1  \r\n"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	dst, key, value := make([]byte, 0, 256), []byte("key"), []byte(strings.Repeat("x", 64))
	if got := testing.AllocsPerRun(100, func() {
		dst = AppendCommand(dst[:0], key, key, value)
		dst = AppendError(AppendInt(dst, 123456), "ERR no")
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func BenchmarkAppendCommand(b *testing.B) {
	dst, set, key, value := make([]byte, 0, 256), []byte("SET"), []byte("key:000000012345"), []byte(strings.Repeat("x", 64))
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendCommand(dst[:0], set, key, value)
	}
}

func BenchmarkAppendInt(b *testing.B) {
	dst := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendInt(dst[:0], 123456)
	}
}
