package resp

import (
	"strings"
	"testing"
)

func TestScannerInline(t *testing.T) {
	tests := []struct {
		name, in string
		n        int
		want     string
		text     string
	}{
		{"LF", "PING\n", 5, "PING", ""},
		{"CRLF", "PING\r\n", 6, "PING", ""},
		{"words", "SET  k\tv \r\n", 11, "SET|k|v", ""},
		{"spaces in front", " \v\f PING\n", 9, "PING", ""},
		{"vertical tab in a word", "a\vb\n", 4, "a\vb", ""},
		{"empty", "\r\n", 2, "", ""},
		{"empty LF", "\n", 1, "", ""},
		{"blank", "   \n", 4, "", ""},
		{"CR inside", "a\rb\n", 4, "a|b", ""},
		{"NUL inside", "a\x00b\n", 4, "a\x00b", ""},
		{"double quotes", `ECHO "a b"` + "\n", 11, "ECHO|a b", ""},
		{"escapes", `"\n\r\t\b\a\x41\xfF\q\"\\"` + "\n", 27, "\n\r\t\b\aA\xffq\"\\", ""},
		{"half an escape", `"\x4"` + "\n", 6, "x4", ""},
		{"single quotes", `'a\'b\n"c'` + "\n", 11, `a'b\n"c`, ""},
		{"empty quotes", `a "" ''` + "\n", 8, "a||", ""},
		{"quote inside a word", `foo"bar" x` + "\n", 11, "foobar|x", ""},
		{"other quote inside", `"it's"` + "\n", 7, "it's", ""},
		{"tab after a quote", "\"a\"\tb\n", 6, "a|b", ""},
		{"vertical tab after a quote", "\"a\"\vb\n", 6, "a|b", ""},
		{"HTTP", "POST / HTTP/1.1\r\n", 17, "POST|/|HTTP/1.1", ""},

		{"incomplete", "PING", 0, "", ""},
		{"incomplete CR", "PING\r", 0, "", ""},
		{"open double quotes", "\"a\n", 0, "", "unbalanced quotes in request"},
		{"open single quotes", "x 'a\n", 0, "", "unbalanced quotes in request"},
		{"escaped closing quote", `"a\"` + "\n", 0, "", "unbalanced quotes in request"},
		{"backslash at the end", `"a\` + "\n", 0, "", "unbalanced quotes in request"},
		{"word after a quote", `"a"b` + "\n", 0, "", "unbalanced quotes in request"},
		{"quote after a quote", `"a""b"` + "\n", 0, "", "unbalanced quotes in request"},
		{"longest line", strings.Repeat("x", 64<<10) + "\n", 64<<10 + 1, strings.Repeat("x", 64<<10), ""},
		{"too long", strings.Repeat("x", 64<<10+1), 0, "", "too big inline request"},
		{"too long with an end", strings.Repeat("x", 64<<10+1) + "\n", 0, "", "too big inline request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := outcome{tt.n, tt.want, tt.text, tt.n > 0}
			for split := 0; split < len(tt.in); split += 1 + len(tt.in)/100 {
				var s Scanner
				if got := feed(&s, []byte(tt.in), split); got != want {
					t.Errorf("split at %d: got %+v, want %+v", split, got, want)
				}
			}
		})
	}
}
