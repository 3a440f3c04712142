package resp

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// replyCases is what the tests of every aspect of the ReplyScanner go through.
var replyCases = []struct {
	name string
	in   string
	n    int // 0: incomplete or an error
	text string
}{
	{"status", "+OK\r\n", 5, ""},
	{"other status", "+QUEUED\r\n+OK\r\n", 9, ""},
	{"short status", "+\r\n", 3, ""},
	{"error", "-ERR x\r\n", 8, ""},
	{"integer", ":1\r\n", 4, ""},
	{"negative integer", ":-1\r\n", 5, ""},
	{"large integer", ":-9223372036854775808\r\n", 23, ""},
	{"bulk", "$3\r\nabc\r\n$", 9, ""},
	{"empty bulk", "$0\r\n\r\n", 6, ""},
	{"CRLF in a bulk", "$4\r\n\r\n\r\n\r\n", 10, ""},
	{"nil", "$-1\r\n", 5, ""},
	{"nil array", "*-1\r\n", 5, ""},
	{"empty array", "*0\r\n", 4, ""},
	{"array", "*2\r\n:1\r\n$1\r\na\r\n", 15, ""},
	{"nested array", "*2\r\n*1\r\n*0\r\n+OK\r\n", 17, ""},
	{"deep array", strings.Repeat("*1\r\n", 1000) + ":1\r\n", 4004, ""},
	{"null", "_\r\n", 3, ""},
	{"boolean", "#t\r\n", 4, ""},
	{"double", ",1.5\r\n", 6, ""},
	{"infinity", ",-inf\r\n", 7, ""},
	{"big number", "(3492890328409238509324850943850943825024385\r\n", 46, ""},
	{"blob error", "!5\r\nERR x\r\n", 11, ""},
	{"verbatim", "=5\r\ntxt:a\r\n", 11, ""},
	{"map", "%1\r\n+a\r\n:1\r\n", 12, ""},
	{"set", "~2\r\n:1\r\n:2\r\n", 12, ""},
	{"push", ">2\r\n+message\r\n+x\r\n+OK\r\n", 18, ""},
	{"attribute", "|1\r\n+ttl\r\n:9\r\n$1\r\na\r\n", 21, ""},
	{"attribute inside", "*1\r\n|1\r\n+ttl\r\n:9\r\n:7\r\n", 22, ""},
	{"attribute alone", "|1\r\n+ttl\r\n:9\r\n", 0, ""},

	{"nothing", "", 0, ""},
	{"type", "$", 0, ""},
	{"part of a line", "+O", 0, ""},
	{"half a CRLF", "+OK\r", 0, ""},
	{"part of a bulk", "$3\r\nab", 0, ""},
	{"half a trailer", "$3\r\nabc\r", 0, ""},
	{"part of an array", "*2\r\n:1\r\n", 0, ""},
	{"huge bulk announced", "$2147483583\r\nabc", 0, ""},
	{"huge array announced", "*268435456\r\n:1\r\n", 0, ""},

	{"unknown type", "HTTP/1.1 400\r\n", 0, "unknown reply type 'H'"},
	{"unprintable type", "\x00", 0, `unknown reply type '\x00'`},
	{"unknown type inside", "*2\r\n:1\r\n?\r\n", 0, "unknown reply type '?'"},
	{"CRLF for a type", "\r\n", 0, "unknown reply type ' '"},
	{"bad length", "$x\r\n", 0, "invalid length in reply"},
	{"empty length", "$\r\n", 0, "invalid length in reply"},
	{"negative length", "$-2\r\n", 0, "invalid length in reply"},
	{"negative count", "*-2\r\n", 0, "invalid length in reply"},
	{"negative map", "%-1\r\n", 0, "invalid length in reply"},
	{"bulk beyond the limit", "$9223372036854775807\r\nabc\r\n", 0, "invalid length in reply"},
	{"array beyond 64 bits", "*9223372036854775808\r\n", 0, "invalid length in reply"},
	{"array beyond the limit", "*268435457\r\n", 0, "too many elements in reply"},
	{"arrays beyond the limit", "*268435456\r\n*268435456\r\n", 0, "too many elements in reply"},
	{"endless length", "$" + strings.Repeat("1", 40), 0, "reply line without CRLF"},
	{"line with LF alone", "+OK\n", 0, "reply line without CRLF"},
	{"type with LF alone", "+\n", 0, "reply line without CRLF"},
	{"integer with a letter", ":1x\r\n", 0, "invalid integer in reply"},
	{"bad boolean", "#x\r\n", 0, "invalid null or boolean in reply"},
	{"bad null", "_x\r\n", 0, "invalid null or boolean in reply"},
	{"bulk with a wrong trailer", "$3\r\nabcde", 0, "expected CRLF after bulk in reply"},
	{"streamed string", "$?\r\n;4\r\n", 0, "streamed reply of unknown length"},
	{"streamed array", "*?\r\n:1\r\n", 0, "streamed reply of unknown length"},
	{"streamed part", ";4\r\nabcd\r\n", 0, "unknown reply type ';'"},
	{"push inside", "*1\r\n>1\r\n:1\r\n", 0, "push inside a reply"},
}

// feedReply gives in to s in two pieces, the first of them in a buffer of its own.
func feedReply(s *ReplyScanner, in []byte, split int) outcome {
	n, err := s.Next(bytes.Clone(in[:split]))
	if n == 0 && err == nil {
		n, err = s.Next(in)
	}
	o := outcome{n: n}
	var pe *ProtocolError
	if errors.As(err, &pe) {
		o.text = pe.Text
	}
	return o
}

func TestReplyScanner(t *testing.T) {
	for _, tt := range replyCases {
		t.Run(tt.name, func(t *testing.T) {
			want := outcome{n: tt.n, text: tt.text}
			for split := range len(tt.in) + 1 {
				var s ReplyScanner
				if got := feedReply(&s, []byte(tt.in), split); got != want {
					t.Fatalf("split at %d: got %+v, want %+v", split, got, want)
				}
				if pending := tt.n == 0 && tt.text == "" && tt.in != ""; pending != (s.Need() > len(tt.in)) {
					t.Fatalf("split at %d: Need() = %d of %d bytes", split, s.Need(), len(tt.in))
				}
			}
		})
	}
}

func TestReplyScannerMaxBulk(t *testing.T) {
	tests := []struct {
		in string
		ok bool
	}{
		{"$40\r\n" + strings.Repeat("x", 40) + "\r\n", true},
		{"$41\r\n" + strings.Repeat("x", 41) + "\r\n", false},
		{"+" + strings.Repeat("x", 40) + "\r\n", true},
		{"+" + strings.Repeat("x", 41) + "\r\n", false},
	}
	for _, tt := range tests {
		for split := range len(tt.in) {
			s := ReplyScanner{MaxBulk: 40}
			if got := feedReply(&s, []byte(tt.in), split); (got.n == len(tt.in)) != tt.ok || (got.text == "") != tt.ok {
				t.Errorf("%q at %d: got %+v, want ok %v", tt.in, split, got, tt.ok)
			}
		}
	}
}

// As TestScannerNeverRescans: what has been scanned is overwritten.
func TestReplyScannerNeverRescans(t *testing.T) {
	many := AppendArray(nil, 1<<19)
	for range 1 << 18 {
		many = AppendBulkString(AppendInt(many, 12), "abc")
	}
	tests := []struct {
		name  string
		frame []byte
	}{
		{"a bulk of 64 MB", AppendBulkString(nil, strings.Repeat("x", 64<<20))},
		{"many elements", many},
		{"a line of 1 MB", AppendSimple(nil, strings.Repeat("x", 1<<20))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			buf, poisoned := bytes.Clone(tt.frame), 1
			var s ReplyScanner
			for end := 1024; end < len(buf); end += 1024 {
				if n, err := s.Next(buf[:end]); n != 0 || err != nil {
					t.Fatalf("after %d bytes: %d, %v", end, n, err)
				}
				seen := max(s.pos, s.seek)
				header := s.pos + bytes.IndexByte(tt.frame[s.pos:], '\n')
				if header < end {
					seen = min(end, s.need-2) // inside a bulk
				} else if end-seen > 32 {
					t.Fatalf("after %d bytes only %d are done with", end, seen)
				}
				for ; poisoned < seen; poisoned++ {
					if poisoned < s.pos || poisoned > header || tt.frame[0] == '+' {
						buf[poisoned] = '\n'
					}
				}
			}
			if n, err := s.Next(buf); n != len(buf) || err != nil {
				t.Fatalf("whole: %d, %v", n, err)
			}
		})
	}
}

func TestReplyScannerMemory(t *testing.T) {
	for _, tt := range replyCases {
		in := []byte(tt.in)
		var s ReplyScanner
		if got := allocated(func() { s.Next(in) }); got > 4096 {
			t.Errorf("%s: %d bytes allocated", tt.name, got)
		}
	}
}
