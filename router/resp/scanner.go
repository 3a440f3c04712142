package resp

import (
	"bytes"
	"encoding/binary"
	"math"
)

// keptArgs is how many entries of the argument slice outlive a request. More
// are given back: one MSET of a million arguments must not cost 24 MB for as
// long as the connection lives.
const keptArgs = 4096

// crlf is the end of a line and of a bulk, loaded as a little-endian word.
const crlf = '\n'<<8 | '\r'

// Scanner finds one request at a time at the start of a buffer. It is
// resumable: a frame that arrives in any pieces costs O(bytes) in all. The zero
// value is ready, with DefaultLimits. A Scanner belongs to one connection.
//
// There are two readers of the same grammar. fill is the hot path: it accepts a
// request that is there as a whole and makes its arguments in one pass. Whatever
// else it meets is walk's: walk tells an incomplete frame from a wrong one and
// keeps three offsets, no data, until the frame is whole; then fill runs again,
// once. So a header is read a few times at most, and a bulk never.
type Scanner struct {
	// Limits may be changed between requests, for example after AUTH.
	Limits Limits

	args   [][]byte
	inline bool

	// The rest is the state of an incomplete frame, all zero between frames.
	// Offsets count from the frame's first byte, so that the caller may move
	// its buffer.

	need int // with fewer bytes than that Next has nothing to do
	pos  int // where the first element starts that is not known to be whole
	left int // bulks to come from pos on; 0 while the first line is not whole
	seek int // the line at pos has no end before this offset
}

// Next scans one request at the start of buf. n is the frame's length in bytes,
// or 0 when the frame is incomplete: call again with a longer buf that starts
// with the same bytes. After n > 0, Args are slices into buf, valid until buf
// is reused or Next is called. `*0`, `*-1` and empty lines give n > 0 and no
// Args. After an error, a *ProtocolError, the connection must be closed.
func (s *Scanner) Next(buf []byte) (n int, err error) {
	if cap(s.args) > keptArgs {
		s.args = nil
	}
	s.args = s.args[:0]
	s.inline = false
	if s.need == 0 {
		if n = s.fill(buf); n > 0 {
			return n, nil
		}
	}
	return s.resume(buf)
}

// Args are the arguments of the request that Next has found.
func (s *Scanner) Args() [][]byte { return s.args }

// Inline says that the request was a plain line. To forward it, encode Args
// with AppendCommand. Quoted arguments are not slices into buf.
func (s *Scanner) Inline() bool { return s.inline }

// Need is a lower bound of the length of the frame for which Next returned 0,
// in bytes; 0 when no frame is pending. It is no more than what the peer claims,
// up to Limits.MaxBulk: grow a buffer towards it as bytes arrive.
func (s *Scanner) Need() int { return s.need }

// Reset forgets a pending frame and drops every reference to a buffer.
func (s *Scanner) Reset() {
	s.forget()
	s.inline = false
	if cap(s.args) > 64 {
		s.args = nil
		return
	}
	clear(s.args[:cap(s.args)])
	s.args = s.args[:0]
}

func (s *Scanner) forget() { s.need, s.pos, s.left, s.seek = 0, 0, 0, 0 }

// fill reads a whole multibulk request into args. Otherwise it returns 0, and
// pos and left say where it stopped.
func (s *Scanner) fill(buf []byte) int {
	count, i := 0, 0
	if len(buf) >= 8 {
		count, i = shortLength(binary.LittleEndian.Uint64(buf), '*')
	}
	if i == 0 {
		count, i = lengthLine(buf, 0, '*')
	}
	if i == 0 || count == 0 || count > s.Limits.MaxArgs {
		return 0
	}
	args, limit := s.args, s.Limits.MaxBulk
	for ; count > 0; count-- {
		n, start := 0, 0
		if i+8 <= len(buf) {
			n, start = shortLength(binary.LittleEndian.Uint64(buf[i:]), '$')
		}
		if start > 0 {
			start += i
		} else if n, start = lengthLine(buf, i, '$'); start == 0 {
			break
		}
		if n > limit || n > len(buf)-start-2 {
			break
		}
		end := start + n
		if binary.LittleEndian.Uint16(buf[end:]) != crlf {
			break
		}
		args = append(args, buf[start:end:end])
		i = end + 2
	}
	s.args = args
	if count > 0 {
		s.pos, s.left, s.args = i, count, args[:0]
		return 0
	}
	return i
}

// shortLength reads a line such as "$64\r\n" of one or two digits, nearly all
// there are, from the eight bytes that it starts. size is the line's length, 0
// when it is anything else.
func shortLength(x uint64, kind uint64) (n, size int) {
	d, e := x>>8&0xff-'0', x>>16&0xff-'0'
	if x&0xffff00ff == '\n'<<24|'\r'<<16|kind && d <= 9 {
		return int(d), 4
	}
	if x&0xffff0000ff == '\n'<<32|'\r'<<24|kind && d-1 <= 8 && e <= 9 {
		return int(d*10 + e), 5
	}
	return 0, 0
}

// lengthLine reads a line such as "$64\r\n" at buf[i:]. next is where the line
// ends, or 0 when it is not whole, not a length, or of more than nine digits.
func lengthLine(buf []byte, i int, kind byte) (n, next int) {
	if i+3 >= len(buf) || buf[i] != kind || buf[i+1]-'0' > 9 {
		return 0, 0
	}
	n = int(buf[i+1] - '0')
	most := min(len(buf)-1, i+11)
	for i += 2; i < most; i++ {
		d := int(buf[i]) - '0'
		if d < 0 {
			if buf[i] != '\r' || buf[i+1] != '\n' {
				return 0, 0
			}
			return n, i + 2
		}
		if d > 9 || n == 0 {
			return 0, 0
		}
		n = n*10 + d
	}
	return 0, 0
}

// resume goes on with a frame that fill did not take.
func (s *Scanner) resume(buf []byte) (n int, err error) {
	if len(buf) == 0 || len(buf) < s.need {
		return 0, nil
	}
	s.Limits = s.Limits.withDefaults()
	n, err = s.walk(buf)
	if n == 0 && err == nil {
		s.need = max(s.need, len(buf)+1)
		return 0, nil
	}
	counted := s.left == 0 && s.pos > 0 // a multibulk request that is whole now
	s.forget()
	if err != nil {
		return 0, err
	}
	if counted && s.fill(buf[:n]) == 0 {
		s.forget()
		return 0, errLength // a limit was lowered while the frame was pending
	}
	return n, nil
}

// walk checks the frame from pos on, as far as it is there, and returns its
// length when it is whole.
func (s *Scanner) walk(buf []byte) (n int, err error) {
	if buf[0] != '*' {
		return s.walkInline(buf)
	}
	if s.left == 0 {
		line, err := s.line(buf, errCountLine, errCount)
		if line == nil {
			return 0, err
		}
		count, ok := parseInt(line[1:])
		if err := s.Limits.checkCount(count, ok); err != nil {
			return 0, err
		}
		if count <= 0 {
			return len(line) + 2, nil
		}
		s.pos, s.left = len(line)+2, int(count)
	}
	for s.left > 0 {
		end, err := s.walkBulk(buf)
		if end == 0 {
			return 0, err
		}
		s.pos = end
		s.left--
	}
	return s.pos, nil
}

// walkBulk checks the argument at pos and returns its end, 0 when it is not
// there yet. Its header is read again when the bulk is whole: need keeps walk
// away until then.
func (s *Scanner) walkBulk(buf []byte) (end int, err error) {
	line, err := s.line(buf, errLengthLine, errLength)
	if line == nil {
		return 0, err
	}
	if line[0] != '$' {
		return 0, errNotBulk(line[0])
	}
	n, ok := parseInt(line[1:])
	if err := s.Limits.checkLength(n, ok); err != nil {
		return 0, err
	}
	start := s.pos + len(line) + 2
	if n > int64(math.MaxInt-2-start) {
		return 0, errLength
	}
	end = start + int(n)
	if len(buf) < end+2 {
		s.need = end + 2
		return 0, nil
	}
	if buf[end] != '\r' || buf[end+1] != '\n' {
		return 0, errTrailer
	}
	return end + 2, nil
}

// line returns the line at pos without its CRLF, nil when it has no end yet.
// Redis looks at a line only when it is whole, which decides the error that a
// wrong one gets.
func (s *Scanner) line(buf []byte, tooBig, wrong error) ([]byte, error) {
	most := min(len(buf), s.pos+s.Limits.MaxInline+1)
	from := max(s.pos, s.seek)
	i := bytes.IndexByte(buf[from:most], '\r')
	if i < 0 {
		s.seek = most
		if most-s.pos > s.Limits.MaxInline {
			return nil, tooBig
		}
		return nil, nil
	}
	end := from + i
	if end+1 == len(buf) {
		s.seek = end
		return nil, nil
	}
	if end == s.pos {
		return nil, errNotBulk('\r')
	}
	if buf[end+1] != '\n' {
		return nil, wrong
	}
	return buf[s.pos:end], nil
}
