package resp

import (
	"errors"
	"math"
	"strings"
	"testing"
)

// scanCases is what the tests of every aspect of the Scanner go through. want is
// the arguments joined by "|"; text is that of the error.
var scanCases = []struct {
	name string
	in   string
	n    int // 0: incomplete or an error
	want string
	text string
}{
	{"get", "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", 20, "GET|k", ""},
	{"followed by more", "*1\r\n$4\r\nPING\r\n*1\r\n", 14, "PING", ""},
	{"empty bulk", "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", 20, "ECHO|", ""},
	{"binary bulk", "*1\r\n$4\r\n\x00\r\n\xff\r\n", 14, "\x00\r\n\xff", ""},
	{"long bulk", "*1\r\n$100\r\n" + strings.Repeat("x", 100) + "\r\n", 112, strings.Repeat("x", 100), ""},
	{"no array", "*0\r\n", 4, "", ""},
	{"nil array", "*-1\r\n*1\r\n", 5, "", ""},
	{"very negative array", "*-9223372036854775808\r\n", 23, "", ""},

	{"nothing", "", 0, "", ""},
	{"part of the count", "*2", 0, "", ""},
	{"half a CRLF", "*2\r", 0, "", ""},
	{"part of a length", "*1\r\n$1", 0, "", ""},
	{"part of a bulk", "*1\r\n$4\r\nPI", 0, "", ""},
	{"half a trailer", "*1\r\n$4\r\nPING\r", 0, "", ""},
	{"junk count without an end", "*abc", 0, "", ""},

	{"count that is no number", "*abc\r\n", 0, "", "invalid multibulk length"},
	{"empty count", "*\r\n", 0, "", "invalid multibulk length"},
	{"count with a plus", "*+1\r\n", 0, "", "invalid multibulk length"},
	{"count with a leading zero", "*01\r\n", 0, "", "invalid multibulk length"},
	{"count of minus nothing", "*-\r\n", 0, "", "invalid multibulk length"},
	{"count of minus zero", "*-0\r\n", 0, "", "invalid multibulk length"},
	{"count with a space", "*1 \r\n", 0, "", "invalid multibulk length"},
	{"count beyond the limit", "*1048577\r\n", 0, "", "invalid multibulk length"},
	{"count beyond 32 bits", "*2147483648\r\n", 0, "", "invalid multibulk length"},
	{"count beyond 64 bits", "*9223372036854775808\r\n", 0, "", "invalid multibulk length"},
	{"count with a lone CR", "*1\rx", 0, "", "invalid multibulk length"},
	{"endless count", "*" + strings.Repeat("1", 64<<10), 0, "", "too big mbulk count string"},
	{"redcon spins on it", "*9223372036854775807\r\n$1\r\na\r\n", 0, "", "invalid multibulk length"},

	{"no bulk", "*1\r\n:1\r\n", 0, "", "expected '$', got ':'"},
	{"empty line for a bulk", "*1\r\n\r\n", 0, "", "expected '$', got ' '"},
	{"control byte for a bulk", "*1\r\n\x01\r\n", 0, "", `expected '$', got '\x01'`},
	{"length that is no number", "*1\r\n$x\r\n", 0, "", "invalid bulk length"},
	{"empty length", "*1\r\n$\r\n", 0, "", "invalid bulk length"},
	{"negative length", "*1\r\n$-1\r\n", 0, "", "invalid bulk length"},
	{"very negative length", "*2\r\n$-9223372036854775808\r\na\r\n", 0, "", "invalid bulk length"},
	{"length with a leading zero", "*1\r\n$04\r\nPING\r\n", 0, "", "invalid bulk length"},
	{"two zeros", "*1\r\n$00\r\n\r\n", 0, "", "invalid bulk length"},
	{"length beyond the limit", "*1\r\n$536870913\r\n", 0, "", "invalid bulk length"},
	{"endless length", "*1\r\n$" + strings.Repeat("1", 64<<10), 0, "", "too big bulk count string"},
	{"redcon panics on it", "*1\r\n$9223372036854775807\r\nabc\r\n", 0, "", "invalid bulk length"},
	{"redcon panics on a negative length", "*2\r\n$3\r\nGET\r\n$-100\r\nabc\r\n", 0, "", "invalid bulk length"},

	{"bulk longer than announced", "*1\r\n$3\r\nPING\r\n", 0, "", "expected CRLF after bulk"},
	{"bulk with a wrong LF", "*1\r\n$4\r\nPING\rx", 0, "", "expected CRLF after bulk"},
	{"wrong second bulk", "*2\r\n$4\r\nECHO\r\n$1\r\nabc\r\n", 0, "", "expected CRLF after bulk"},
}

// outcome makes a result comparable.
type outcome struct {
	n          int
	args, text string
	inline     bool
}

func scanOutcome(s *Scanner, n int, err error) outcome {
	o := outcome{n: n, inline: s.Inline()}
	words := make([]string, 0, len(s.Args()))
	for _, a := range s.Args() {
		words = append(words, string(a))
	}
	o.args = strings.Join(words, "|")
	var pe *ProtocolError
	if errors.As(err, &pe) {
		o.text = pe.Text
	}
	return o
}

func TestScanner(t *testing.T) {
	for _, tt := range scanCases {
		t.Run(tt.name, func(t *testing.T) {
			var s Scanner
			n, err := s.Next([]byte(tt.in))
			if got, want := scanOutcome(&s, n, err), (outcome{tt.n, tt.want, tt.text, false}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if (err != nil) != errors.Is(err, ErrProtocol) {
				t.Errorf("error %v is not an ErrProtocol", err)
			}
			if pending := n == 0 && err == nil && tt.in != ""; pending != (s.Need() > len(tt.in)) {
				t.Errorf("Need() = %d of %d bytes", s.Need(), len(tt.in))
			}
		})
	}
}

func TestScannerUnauthenticated(t *testing.T) {
	tests := []struct{ name, in, text string }{
		{"ten arguments", "*10\r\n", ""},
		{"eleven arguments", "*11\r\n", "unauthenticated multibulk length"},
		{"far too many", "*9999999999\r\n", "invalid multibulk length"},
		{"16 KB", "*1\r\n$16384\r\n", ""},
		{"over 16 KB", "*1\r\n$16385\r\n", "unauthenticated bulk length"},
		{"over 512 MB", "*1\r\n$536870913\r\n", "invalid bulk length"},
		{"over 16 KB, whole", string(AppendCommandStrings(nil, strings.Repeat("x", 16385))), "unauthenticated bulk length"},
	}
	for _, tt := range tests {
		s := Scanner{Limits: UnauthenticatedLimits()}
		n, err := s.Next([]byte(tt.in))
		if got := scanOutcome(&s, n, err); got != (outcome{text: tt.text}) {
			t.Errorf("%s: got %+v, want error %q", tt.name, got, tt.text)
		}
	}
}

// The sum of a frame's lengths must not overflow, whatever limit is set.
func TestScannerHugeLimits(t *testing.T) {
	s := Scanner{Limits: Limits{MaxBulk: math.MaxInt, MaxArgs: math.MaxInt}}
	_, err := s.Next([]byte("*2\r\n$3\r\nGET\r\n$9223372036854775800\r\nabc\r\n"))
	if !errors.Is(err, ErrProtocol) {
		t.Errorf("got %v", err)
	}
	if n, err := s.Next([]byte("*2\r\n$3\r\nGET\r\n$9223372036854775000\r\nabc\r\n")); n != 0 || err != nil || s.Need() < 1<<62 {
		t.Errorf("got %d, %v, need %d", n, err, s.Need())
	}
}

func TestScannerGoesOnAfterFrames(t *testing.T) {
	in := []byte("*0\r\n\r\nPING\r\n*1\r\n$4\r\nQUIT\r\n\n*2\r\n$4\r\nECHO\r\n$1\r\nx\r\n")
	want := []string{"", "", "PING", "QUIT", "", "ECHO|x"}
	var s Scanner
	for i, w := range want {
		n, err := s.Next(in)
		if got := scanOutcome(&s, n, err); n == 0 || got.args != w {
			t.Fatalf("frame %d: got %+v, want %q", i, got, w)
		}
		in = in[n:]
	}
	if len(in) != 0 {
		t.Errorf("left: %q", in)
	}
}

// A limit that is lowered while a frame is pending must not let it through.
func TestScannerLimitLoweredMeanwhile(t *testing.T) {
	frame := AppendCommandStrings(nil, "ECHO", strings.Repeat("x", 100), "y")
	var s Scanner
	if n, err := s.Next(frame[:len(frame)-1]); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	s.Limits.MaxBulk = 50
	if n, err := s.Next(frame); n != 0 || !errors.Is(err, ErrProtocol) {
		t.Errorf("got %d, %v", n, err)
	}
	if n, _ := s.Next([]byte("PING\r\n")); n != 6 {
		t.Errorf("state was left behind: %d", n)
	}
}

func TestScannerReset(t *testing.T) {
	var s Scanner
	s.Next([]byte("*1\r\n$4\r\nPI"))
	s.Reset()
	if n, err := s.Next([]byte("*1\r\n$4\r\nPING\r\n")); n != 14 || err != nil {
		t.Fatalf("got %d, %v", n, err)
	}
	s.Reset()
	for i, a := range s.args[:cap(s.args)] {
		if a != nil {
			t.Errorf("argument %d is still referred to", i)
		}
	}
}
