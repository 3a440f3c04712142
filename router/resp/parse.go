package resp

import "bytes"

// maxDepth bounds the nesting of a reply that ParseReply decodes.
const maxDepth = 128

var errReplyDepth = &ProtocolError{"reply is nested too deep"}

// ParseReply decodes the reply at the start of buf. n is its length, or 0 when
// it is incomplete. The strings of the Reply are slices into buf. Attributes
// are left out. Not for the hot path.
func ParseReply(buf []byte) (r Reply, n int, err error) {
	var s ReplyScanner
	if n, err = s.Next(buf); n == 0 {
		return Reply{}, 0, err
	}
	r, _, err = decode(buf[:n], 0)
	if err != nil {
		return Reply{}, 0, err
	}
	return r, n, nil
}

// decode reads one element of a reply that the scanner has found whole and
// valid, and returns what follows it.
func decode(buf []byte, depth int) (r Reply, rest []byte, err error) {
	if depth > maxDepth {
		return Reply{}, nil, errReplyDepth
	}
	kind := buf[0]
	lf := bytes.IndexByte(buf, '\n')
	line, rest := buf[1:lf-1], buf[lf+1:]
	switch kind {
	case '+':
		return Reply{Kind: KindSimple, Str: line}, rest, nil
	case '-':
		return Reply{Kind: KindError, Str: line}, rest, nil
	case ',':
		return Reply{Kind: KindDouble, Str: line}, rest, nil
	case '(':
		return Reply{Kind: KindBigNumber, Str: line}, rest, nil
	case '_':
		return Reply{Kind: KindNil}, rest, nil
	case '#':
		r = Reply{Kind: KindBool}
		if line[0] == 't' {
			r.Int = 1
		}
		return r, rest, nil
	}
	n, _ := parseInt(line)
	switch {
	case kind == ':':
		return Reply{Kind: KindInteger, Int: n}, rest, nil
	case n < 0:
		return Reply{Kind: KindNil}, rest, nil
	case kind == '$' || kind == '!' || kind == '=':
		return decodeBlob(kind, rest[:n]), rest[n+2:], nil
	}
	return decodeElements(kind, int(n), rest, depth)
}

func decodeBlob(kind byte, text []byte) Reply {
	switch {
	case kind == '!':
		return Reply{Kind: KindError, Str: text}
	case kind == '=' && len(text) >= 4 && text[3] == ':':
		return Reply{Kind: KindVerbatim, Str: text[4:]}
	case kind == '=':
		return Reply{Kind: KindVerbatim, Str: text}
	}
	return Reply{Kind: KindBulk, Str: text}
}

// decodeElements may allocate by the announced number: the scanner has seen
// all the elements.
func decodeElements(kind byte, n int, rest []byte, depth int) (r Reply, _ []byte, err error) {
	switch kind {
	case '*':
		r.Kind = KindArray
	case '~':
		r.Kind = KindSet
	case '>':
		r.Kind = KindPush
	case '%':
		r.Kind, n = KindMap, 2*n
	case '|':
		for range 2 * n {
			if _, rest, err = decode(rest, depth+1); err != nil {
				return Reply{}, nil, err
			}
		}
		return decode(rest, depth+1)
	}
	r.Array = make([]Reply, n)
	for i := range r.Array {
		if r.Array[i], rest, err = decode(rest, depth+1); err != nil {
			return Reply{}, nil, err
		}
	}
	return r, rest, nil
}
