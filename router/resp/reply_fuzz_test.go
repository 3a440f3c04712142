package resp

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"reflect"
	"strconv"
	"testing"
)

// Any input in any two pieces gives what it gives as a whole, and ParseReply
// finds the same end.
func FuzzReplyScanner(f *testing.F) {
	for _, tt := range replyCases {
		if len(tt.in) < 200 {
			f.Add([]byte(tt.in))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, limit := range []int{0, 5} {
			s := ReplyScanner{MaxBulk: limit}
			want := feedReply(&s, in, 0)
			if want.n > len(in) || s.Need() > 0 && s.Need() <= len(in) {
				t.Fatalf("%+v, needs %d of %d bytes", want, s.Need(), len(in))
			}
			for split := 0; split <= len(in); split += 1 + len(in)/64 {
				s := ReplyScanner{MaxBulk: limit}
				if got := feedReply(&s, in, split); got != want {
					t.Fatalf("split at %d: got %+v, want %+v", split, got, want)
				}
			}
		}
		var s ReplyScanner
		want := feedReply(&s, in, 0)
		r, n, err := ParseReply(in)
		if n != want.n && !errors.Is(err, errReplyDepth) || (r.Kind == KindNone) != (n == 0) {
			t.Fatalf("ParseReply: %d %v %v, want %d", n, r.Kind, err, want.n)
		}
	})
}

// Random nested replies come back as they were encoded, at every split.
func FuzzReplyRoundTrip(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		want := randomReply(rand.New(rand.NewPCG(seed, 0)), 4)
		wire := encode(nil, want)
		for split := 0; split <= len(wire); split += 1 + len(wire)/500 {
			var s ReplyScanner
			if got := feedReply(&s, wire, split); got.n != len(wire) || got.text != "" {
				t.Fatalf("split at %d of %d: got %+v: %q", split, len(wire), got, wire)
			}
		}
		got, n, err := ParseReply(append(wire, "+more\r\n"...))
		if n != len(wire) || err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v %d %v, want %+v", got, n, err, want)
		}
	})
}

func randomReply(r *rand.Rand, depth int) Reply {
	kinds := []Kind{KindSimple, KindError, KindInteger, KindBulk, KindNil, KindDouble, KindBool, KindBigNumber, KindVerbatim}
	if depth > 0 {
		kinds = append(kinds, KindArray, KindMap, KindSet, KindArray, KindMap)
	}
	if depth == 4 {
		kinds = append(kinds, KindPush)
	}
	out := Reply{Kind: kinds[r.IntN(len(kinds))]}
	switch out.Kind {
	case KindSimple, KindError:
		out.Str = []byte("ERR some text"[:r.IntN(13)])
	case KindInteger:
		out.Int = int64(r.Uint64() >> r.IntN(64))
	case KindBulk, KindVerbatim:
		out.Str = bytes.Repeat([]byte("\r\n$x"), r.IntN(40))
	case KindBool:
		out.Int = int64(r.IntN(2))
	case KindDouble:
		out.Str = strconv.AppendFloat([]byte{}, r.NormFloat64(), 'g', -1, 64)
	case KindBigNumber:
		out.Str = bytes.Repeat([]byte("123"), 1+r.IntN(9))
	case KindArray, KindSet, KindPush, KindMap:
		n := r.IntN(6)
		if out.Kind == KindMap {
			n *= 2
		}
		out.Array = make([]Reply, n)
		for i := range out.Array {
			out.Array[i] = randomReply(r, min(depth, 4)-1)
		}
	}
	return out
}

func encode(dst []byte, r Reply) []byte {
	line := func(kind byte) []byte { return append(append(append(dst, kind), r.Str...), "\r\n"...) }
	header := func(kind byte, n int) []byte { return appendHeader(dst, kind, int64(n)) }
	switch r.Kind {
	case KindSimple:
		return line('+')
	case KindError:
		return line('-')
	case KindDouble:
		return line(',')
	case KindBigNumber:
		return line('(')
	case KindInteger:
		return AppendInt(dst, r.Int)
	case KindBulk:
		return AppendBulk(dst, r.Str)
	case KindNil:
		return append(dst, "_\r\n"...)
	case KindBool:
		return append(dst, '#', "ft"[r.Int], '\r', '\n')
	case KindVerbatim:
		dst = append(header('=', len(r.Str)+4), "txt:"...)
		return append(append(dst, r.Str...), "\r\n"...)
	case KindArray:
		dst = header('*', len(r.Array))
	case KindSet:
		dst = header('~', len(r.Array))
	case KindPush:
		dst = header('>', len(r.Array))
	case KindMap:
		dst = header('%', len(r.Array)/2)
	}
	for _, e := range r.Array {
		if len(e.Str)%8 == 4 { // an attribute in front, which is left out
			dst = append(dst, "|1\r\n+a\r\n*1\r\n:1\r\n"...)
		}
		dst = encode(dst, e)
	}
	return dst
}
