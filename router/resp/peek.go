package resp

// IsError says whether a whole reply is an error.
func IsError(reply []byte) bool {
	return len(reply) > 0 && (reply[0] == '-' || reply[0] == '!')
}

// Int reads a whole integer reply such as ":1\r\n".
func Int(reply []byte) (n int64, ok bool) {
	if len(reply) == 4 && reply[0] == ':' && reply[1]-'0' <= 9 {
		return int64(reply[1] - '0'), true
	}
	if len(reply) < 4 || reply[0] != ':' {
		return 0, false
	}
	return parseInt(reply[1 : len(reply)-2])
}

// ArrayLen reads the header of an array reply that a ReplyScanner has found
// whole. The elements start at buf[headerLen:]; n is -1 for the nil array.
func ArrayLen(buf []byte) (n, headerLen int, ok bool) {
	if len(buf) == 0 || buf[0] != '*' {
		return 0, 0, false
	}
	for i := 2; i+1 < len(buf) && i < 24; i++ {
		if buf[i] == '\r' {
			v, ok := parseInt(buf[1:i])
			return int(v), i + 2, ok && buf[i+1] == '\n'
		}
	}
	return 0, 0, false
}
