package resp

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"
)

func TestParseReply(t *testing.T) {
	tests := []struct {
		name, in string
		kind     Kind
		text     string
		elements int
	}{
		{"status", "+OK\r\n", KindSimple, "OK", 0},
		{"error", "-ERR x\r\n", KindError, "ERR x", 0},
		{"blob error", "!5\r\nERR x\r\n", KindError, "ERR x", 0},
		{"integer", ":-12\r\n", KindInteger, "-12", 0},
		{"bulk", "$3\r\na\r\n\r\n", KindBulk, "a\r\n", 0},
		{"nil", "$-1\r\n", KindNil, "", 0},
		{"nil array", "*-1\r\n", KindNil, "", 0},
		{"null", "_\r\n", KindNil, "", 0},
		{"true", "#t\r\n", KindBool, "true", 0},
		{"false", "#f\r\n", KindBool, "false", 0},
		{"double", ",1.5\r\n", KindDouble, "1.5", 0},
		{"big number", "(12\r\n", KindBigNumber, "12", 0},
		{"verbatim", "=7\r\ntxt:abc\r\n", KindVerbatim, "abc", 0},
		{"array", "*2\r\n:1\r\n:2\r\n", KindArray, "", 2},
		{"map", "%1\r\n+a\r\n:2\r\n", KindMap, "", 2},
		{"set", "~1\r\n+a\r\n", KindSet, "", 1},
		{"push", ">1\r\n+a\r\n", KindPush, "", 1},
		{"attribute", "|1\r\n+a\r\n:2\r\n+OK\r\n", KindSimple, "OK", 0},
		{"verbatim without a format", "=1\r\na\r\n", KindVerbatim, "a", 0},
		{"incomplete", "*2\r\n:1\r\n", KindNone, "", 0},
	}
	for _, tt := range tests {
		r, n, err := ParseReply([]byte(tt.in))
		if err != nil || r.Kind != tt.kind || r.Text() != tt.text || len(r.Array) != tt.elements || (n == len(tt.in)) != (tt.kind != KindNone) {
			t.Errorf("%s: got %v %q, %d elements, %d bytes, %v", tt.name, r.Kind, r.Text(), len(r.Array), n, err)
		}
	}
}

func TestParseReplyRefusesDepth(t *testing.T) {
	in := strings.Repeat("*1\r\n", 100_000) + ":1\r\n"
	if _, n, err := ParseReply([]byte(in)); n != 0 || !errors.Is(err, ErrProtocol) {
		t.Errorf("got %d, %v", n, err)
	}
}

func TestKindString(t *testing.T) {
	for kind, want := range map[Kind]string{KindNone: "none", KindNil: "nil", KindPush: "push", 200: "kind 200"} {
		if got := kind.String(); got != want {
			t.Errorf("%d: got %q, want %q", kind, got, want)
		}
	}
}

func TestReplyErr(t *testing.T) {
	r, _, _ := ParseReply([]byte("-WRONGTYPE Operation against x\r\n"))
	var se *ServerError
	if !errors.As(r.Err(), &se) || se.Code != "WRONGTYPE" || se.Text != "WRONGTYPE Operation against x" {
		t.Errorf("got %+v", se)
	}
	if err := (Reply{Kind: KindNil}).Err(); err != nil {
		t.Errorf("nil reply: %v", err)
	}
}

func TestParseInt(t *testing.T) {
	for _, n := range []int64{0, 1, -1, 9, 10, -10, 1<<40 + 7, math.MaxInt64, math.MinInt64, math.MinInt64 + 1} {
		if got, ok := parseInt([]byte(strconv.FormatInt(n, 10))); !ok || got != n {
			t.Errorf("%d: got %d, %v", n, got, ok)
		}
	}
	for _, in := range []string{"", "-", "+1", "01", "-0", "1 ", " 1", "1a", "--1", "9223372036854775808", "-9223372036854775809", "99999999999999999999"} {
		if got, ok := parseInt([]byte(in)); ok {
			t.Errorf("%q: got %d", in, got)
		}
	}
}

func TestPeek(t *testing.T) {
	if n, ok := Int([]byte(":12\r\n")); n != 12 || !ok {
		t.Errorf("Int: %d, %v", n, ok)
	}
	if n, ok := Int([]byte(":7\r\n")); n != 7 || !ok {
		t.Errorf("Int: %d, %v", n, ok)
	}
	for _, in := range []string{"", ":", ":\r\n", "+OK\r\n", "$1\r\n1\r\n", ":x\r\n"} {
		if _, ok := Int([]byte(in)); ok {
			t.Errorf("Int takes %q", in)
		}
	}
	if !IsError([]byte("-ERR\r\n")) || IsError([]byte("+OK\r\n")) || IsError(nil) {
		t.Error("IsError")
	}
	for _, tt := range []struct {
		in   string
		n, h int
		ok   bool
	}{{"*0\r\n", 0, 4, true}, {"*12\r\n:1", 12, 5, true}, {"*-1\r\n", -1, 5, true}, {"*1\r", 0, 0, false}, {"$1\r\n", 0, 0, false}, {"", 0, 0, false}} {
		if n, h, ok := ArrayLen([]byte(tt.in)); n != tt.n || h != tt.h || ok != tt.ok {
			t.Errorf("ArrayLen(%q) = %d, %d, %v", tt.in, n, h, ok)
		}
	}
}

func TestParseInfo(t *testing.T) {
	got := ParseInfo("# Server\r\nredis_version:7.0.15\r\n\r\nexecutable:/a:b\r\nslave0:ip=x,port=1\r\nempty:\r\n")
	if len(got) != 4 || got["redis_version"] != "7.0.15" || got["executable"] != "/a:b" || got["slave0"] != "ip=x,port=1" {
		t.Errorf("got %v", got)
	}
}
