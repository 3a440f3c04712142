package resp

import "bytes"

// walkInline reads a request that is a plain line, as typed into telnet. The
// line ends with LF; a CR before it belongs to the end.
func (s *Scanner) walkInline(buf []byte) (n int, err error) {
	most := min(len(buf), s.Limits.MaxInline+1)
	i := bytes.IndexByte(buf[s.seek:most], '\n')
	if i < 0 {
		s.seek = most
		if most > s.Limits.MaxInline {
			return 0, errInline
		}
		return 0, nil
	}
	end := s.seek + i
	line := buf[:end]
	if end > 0 && line[end-1] == '\r' {
		line = line[:end-1]
	}
	if s.args, err = splitArgs(s.args, line); err != nil {
		return 0, err
	}
	s.inline = true
	return end + 1, nil
}

// splitArgs splits a line into words, by the rules of Redis's sdssplitargs:
// "double quotes" with \n \r \t \b \a \xHH and \any, 'single quotes' with \'.
// A quote may open inside a word; a closing one must end it. Words without
// quotes are slices of line. Unlike in C a NUL byte ends nothing.
func splitArgs(dst [][]byte, line []byte) ([][]byte, error) {
	for {
		line = bytes.TrimLeft(line, " \t\n\v\f\r")
		if len(line) == 0 {
			return dst, nil
		}
		end := bytes.IndexAny(line, " \t\n\r\"'")
		if end < 0 {
			return append(dst, line[:len(line):len(line)]), nil
		}
		if c := line[end]; c != '"' && c != '\'' {
			dst = append(dst, line[:end:end])
			line = line[end:]
			continue
		}
		// A new word, that grows as it is read: a line may hold thousands.
		word, size := unquote(append([]byte{}, line[:end]...), line[end+1:], line[end])
		line = line[end+1+max(size, 0):]
		if size < 0 || len(line) > 0 && !isSpace(line[0]) {
			return dst[:0], errQuotes
		}
		dst = append(dst, word)
	}
}

// unquote appends what stands before the closing quote to word. size counts
// the bytes read, the quote included, and is negative when there is none.
func unquote(word, s []byte, quote byte) (_ []byte, size int) {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == quote:
			return word, i + 1
		case c != '\\' || i+1 == len(s):
			word = append(word, c)
		case quote == '\'':
			if s[i+1] == '\'' {
				i++
				c = '\''
			}
			word = append(word, c)
		case s[i+1] == 'x' && i+3 < len(s) && hex(s[i+2]) < 16 && hex(s[i+3]) < 16:
			word = append(word, hex(s[i+2])<<4|hex(s[i+3]))
			i += 3
		default:
			i++
			word = append(word, unescape(s[i]))
		}
	}
	return word, -1
}

func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'b':
		return '\b'
	case 'a':
		return '\a'
	}
	return c
}

// hex is the value of a hexadecimal digit, 255 of anything else.
func hex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }
