package resp

import "strconv"

// AppendCommand appends a request.
func AppendCommand(dst []byte, args ...[]byte) []byte {
	dst = AppendArray(dst, len(args))
	for _, a := range args {
		dst = AppendBulk(dst, a)
	}
	return dst
}

// AppendCommandStrings appends a request.
func AppendCommandStrings(dst []byte, args ...string) []byte {
	dst = AppendArray(dst, len(args))
	for _, a := range args {
		dst = AppendBulkString(dst, a)
	}
	return dst
}

// AppendArray appends the header of an array of n elements, or of a request of
// n arguments. The elements are to follow.
func AppendArray(dst []byte, n int) []byte { return appendHeader(dst, '*', int64(n)) }

// AppendBulk appends a bulk string.
func AppendBulk(dst, b []byte) []byte {
	dst = appendHeader(dst, '$', int64(len(b)))
	dst = append(dst, b...)
	return append(dst, '\r', '\n')
}

// AppendBulkString appends a bulk string.
func AppendBulkString(dst []byte, s string) []byte {
	dst = appendHeader(dst, '$', int64(len(s)))
	dst = append(dst, s...)
	return append(dst, '\r', '\n')
}

// AppendInt appends an integer reply.
func AppendInt(dst []byte, n int64) []byte { return appendHeader(dst, ':', n) }

// AppendNil appends the bulk string that is not there.
func AppendNil(dst []byte) []byte { return append(dst, "$-1\r\n"...) }

// AppendNilArray appends the array that is not there, as EXEC and BLPOP give it.
func AppendNilArray(dst []byte) []byte { return append(dst, "*-1\r\n"...) }

// AppendSimple appends a status reply such as +OK. CR and LF in s become spaces.
func AppendSimple(dst []byte, s string) []byte { return appendLine(dst, '+', s) }

// AppendError appends an error reply. text starts with the code word, usually
// "ERR". CR and LF in it become spaces.
func AppendError(dst []byte, text string) []byte { return appendLine(dst, '-', text) }

func appendHeader(dst []byte, kind byte, n int64) []byte {
	if 0 <= n && n <= 9 {
		return append(dst, kind, '0'+byte(n), '\r', '\n')
	}
	dst = strconv.AppendInt(append(dst, kind), n, 10)
	return append(dst, '\r', '\n')
}

func appendLine(dst []byte, kind byte, s string) []byte {
	dst = append(dst, kind)
	start := len(dst)
	dst = append(dst, s...)
	for i := start; i < len(dst); i++ {
		if dst[i] == '\r' || dst[i] == '\n' {
			dst[i] = ' '
		}
	}
	return append(dst, '\r', '\n')
}
