package router

import "bytes"

// errorCodes are the first words of error replies that metrics tell apart; what
// servers, scripts and modules say beside them is "other", so that no client can
// make series.
var errorCodes = [...]string{
	"other", "ERR", "ASK", "BUSY", "BUSYGROUP", "BUSYKEY", "CLUSTERDOWN", "CROSSSLOT", "EXECABORT", "LOADING",
	"MASTERDOWN", "MISCONF", "MOVED", "NOAUTH", "NOGROUP", "NOPERM", "NOREPLICAS", "NOSCRIPT", "OOM", "READONLY",
	"TRYAGAIN", "UNBLOCKED", "WRONGPASS", "WRONGTYPE",
}

const numErrorCodes = len(errorCodes)

// codeIndex finds a code; it never changes.
var codeIndex = func() map[string]uint8 {
	index := make(map[string]uint8, numErrorCodes)
	for i, code := range errorCodes {
		index[code] = uint8(i)
	}
	return index
}()

// errorCode is the place in errorCodes of an error reply's first word, 0 for one
// that is not there.
func errorCode(reply []byte) uint8 {
	word := reply[1:]
	if end := bytes.IndexAny(word, " \r"); end >= 0 {
		word = word[:end]
	}
	return codeIndex[string(word)]
}
