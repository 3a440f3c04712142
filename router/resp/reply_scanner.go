package resp

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
)

// Lengths beyond these are garbage. maxReply, for a bulk or a line, is far above
// Redis's 512 MB for a value, because DUMP and scripts may answer more;
// maxElements, for what is outstanding at one time, keeps sums within 32 bits.
const (
	maxReply    = math.MaxInt32 - 64
	maxElements = 1 << 28
)

// What ReplyScanner.Next may refuse.
var (
	errReplyLength = &ProtocolError{"invalid length in reply"}
	errReplyLine   = &ProtocolError{"reply line without CRLF"}
	errReplyInt    = &ProtocolError{"invalid integer in reply"}
	errReplyNull   = &ProtocolError{"invalid null or boolean in reply"}
	errReplyMany   = &ProtocolError{"too many elements in reply"}
	errReplyStream = &ProtocolError{"streamed reply of unknown length"}
	errReplyPush   = &ProtocolError{"push inside a reply"}
	errReplyBulk   = &ProtocolError{"expected CRLF after bulk in reply"}
)

func errReplyType(got byte) error {
	return &ProtocolError{"unknown reply type '" + showByte(got) + "'"}
}

// ReplyScanner finds the end of one whole reply at a time at the start of a
// buffer: RESP2 and RESP3, nested to any depth, with its attributes. A push
// message is a reply of its own, told by its first byte '>'. The scanner is
// resumable, keeps no stack but a count of the elements to come, and reads
// each byte of a header at most twice and bulks never. The zero value is ready.
type ReplyScanner struct {
	// MaxBulk bounds one string of a reply, in bytes; 0 means 2 GB.
	MaxBulk int

	// The state of an incomplete reply, offsets from its first byte, all zero
	// between replies.

	need int // with fewer bytes than that Next has nothing to do
	pos  int // where the first element starts that is not known to be whole
	left int // elements to come from pos on
	seek int // the line at pos has no LF before this offset
}

// Next finds the reply at the start of buf. n is its length in bytes, or 0 when
// it is incomplete: call again with a longer buf that starts with the same
// bytes. After an error, a *ProtocolError, the connection must be closed.
func (s *ReplyScanner) Next(buf []byte) (n int, err error) {
	if len(buf) < s.need {
		return 0, nil
	}
	i, left := s.pos, s.left
	if s.need == 0 {
		left = 1
	}
	for i < len(buf) {
		end, more := 0, 0
		switch buf[i] {
		case '$':
			end = fillBulk(buf, i, s.MaxBulk)
		case '*':
			more, end = lengthLine(buf, i, '*')
		case ':':
			_, end = lengthLine(buf, i, ':')
		case '+':
			if i+5 <= len(buf) && string(buf[i+1:i+5]) == "OK\r\n" {
				end = i + 5
			}
		}
		if end == 0 {
			s.pos = i
			if end, more, err = s.element(buf); end == 0 {
				return 0, s.stop(buf, left, err)
			}
		}
		i = end
		if left += more - 1; left == 0 {
			s.Reset()
			return i, nil
		}
		if left > maxElements {
			return 0, s.stop(buf, left, errReplyMany)
		}
	}
	s.pos = i
	return 0, s.stop(buf, left, nil)
}

// Need is a lower bound of the length of the reply for which Next returned 0,
// in bytes; 0 when no reply is pending. It is what the peer claims: grow a
// buffer towards it as bytes arrive.
func (s *ReplyScanner) Need() int { return s.need }

// Reset forgets a pending reply.
func (s *ReplyScanner) Reset() { s.need, s.pos, s.left, s.seek = 0, 0, 0, 0 }

// stop keeps the state of an incomplete reply, and none after an error.
func (s *ReplyScanner) stop(buf []byte, left int, err error) error {
	if err != nil {
		s.Reset()
		return err
	}
	if len(buf) > 0 {
		s.left, s.need = left, max(s.need, len(buf)+1)
	}
	return nil
}

// fillBulk returns the end of the bulk string at buf[i:], or 0 when it is not
// whole or not one that nearly all are like: that is for element to judge.
func fillBulk(buf []byte, i, limit int) (end int) {
	n, start := 0, 0
	if i+8 <= len(buf) {
		n, start = shortLength(binary.LittleEndian.Uint64(buf[i:]), '$')
	}
	if start > 0 {
		start += i
	} else if n, start = lengthLine(buf, i, '$'); start == 0 {
		if i+5 <= len(buf) && string(buf[i+1:i+5]) == "-1\r\n" {
			return i + 5
		}
		return 0
	}
	if limit > 0 && n > limit || n > len(buf)-start-2 || binary.LittleEndian.Uint16(buf[start+n:]) != crlf {
		return 0
	}
	return start + n + 2
}

// element checks one element at pos. end is 0 when it is not whole; more counts
// the elements that belong to it and follow.
func (s *ReplyScanner) element(buf []byte) (end, more int, err error) {
	kind := buf[s.pos]
	switch kind {
	case '$', '*', ':', '+', '-', '_', '#', ',', '(', '!', '=', '~', '%', '|':
	case '>':
		if s.pos > 0 {
			return 0, 0, errReplyPush
		}
	default:
		return 0, 0, errReplyType(kind)
	}
	line, err := s.line(buf)
	if line == nil {
		return 0, 0, err
	}
	end = s.pos + len(line) + 3
	switch kind {
	case '+', '-', ',', '(':
		return end, 0, nil
	case ':':
		if _, ok := parseInt(line); !ok {
			return 0, 0, errReplyInt
		}
		return end, 0, nil
	case '_', '#':
		if !validWord(kind, line) {
			return 0, 0, errReplyNull
		}
		return end, 0, nil
	}
	return s.sized(buf, kind, line)
}

// sized goes on after the line of a type that announces a length.
func (s *ReplyScanner) sized(buf []byte, kind byte, line []byte) (end, more int, err error) {
	start := s.pos + len(line) + 3
	n, ok := parseInt(line)
	switch {
	case len(line) > 0 && line[0] == '?':
		return 0, 0, errReplyStream
	case ok && n == -1 && (kind == '$' || kind == '*'):
		return start, 0, nil
	case !ok || n < 0 || n > maxReply:
		return 0, 0, errReplyLength
	case n > maxElements && strings.IndexByte("*~>%|", kind) >= 0:
		return 0, 0, errReplyMany
	}
	switch kind {
	case '*', '~', '>':
		return start, int(n), nil
	case '%':
		return start, 2 * int(n), nil
	case '|': // stands before the element that it describes
		return start, 2*int(n) + 1, nil
	}
	if s.MaxBulk > 0 && n > int64(s.MaxBulk) || n > int64(math.MaxInt-2-start) {
		return 0, 0, errReplyLength
	}
	end = start + int(n) + 2
	if end > len(buf) {
		s.need = end
		return 0, 0, nil
	}
	if buf[end-2] != '\r' || buf[end-1] != '\n' {
		return 0, 0, errReplyBulk
	}
	return end, 0, nil
}

// line returns the line at pos without its type byte and its CRLF, nil when it
// has no end yet.
func (s *ReplyScanner) line(buf []byte) ([]byte, error) {
	limit := maxReply
	switch buf[s.pos] {
	case '+', '-', ',', '(':
		if s.MaxBulk > 0 {
			limit = min(limit, s.MaxBulk)
		}
	default:
		limit = 32
	}
	from, most := max(s.pos+1, s.seek), len(buf)
	if most-s.pos > limit+3 {
		most = s.pos + limit + 3
	}
	i := bytes.IndexByte(buf[from:most], '\n')
	if i < 0 {
		s.seek = most
		if most-s.pos == limit+3 {
			return nil, errReplyLine
		}
		return nil, nil
	}
	s.seek = 0
	end := from + i - 1
	if end <= s.pos || buf[end] != '\r' {
		return nil, errReplyLine
	}
	return buf[s.pos+1 : end], nil
}

func validWord(kind byte, line []byte) bool {
	if kind == '_' {
		return len(line) == 0
	}
	return string(line) == "t" || string(line) == "f"
}
