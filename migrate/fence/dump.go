package fence

import (
	"fmt"
	"strconv"

	"codis/router/resp"
)

// The gate of many keys without a script: DUMP, PEXPIRETIME where keys may have an
// expiry, and behind them, on the same connection, a look at the fence. A script
// looks first and then reads; here the order is turned round, and proves the same
// of a batch in phase migrating. X was e before that phase began, is only removed
// when the phase is over, and is never made again under the same epoch. So X == e
// after the last value says that X was e before the first. In between nobody
// wrote the keys: the routers stopped before X was set, and an unlink by another
// mover, who is a leader of the past or of the future, follows its own restore.
// What expires in between is gone for the router's gate, too.
//
// Where values may be large the script is needed: it stops at a budget.

// AppendDump appends the commands for some keys. expiries asks for expiries, too.
func AppendDump(dst []byte, keys []Key, expiries bool) []byte {
	for i := range keys {
		dst = append(dst, "*2\r\n$4\r\nDUMP\r\n"...)
		dst = resp.AppendBulk(dst, keys[i].Name)
		if expiries {
			dst = append(dst, "*2\r\n$11\r\nPEXPIRETIME\r\n"...)
			dst = resp.AppendBulk(dst, keys[i].Name)
		}
	}
	return dst
}

// AppendFence appends the look at the fence: GET.
func (b *Batch) AppendFence(dst []byte) []byte {
	var scratch [64]byte
	dst = resp.AppendBulkString(resp.AppendArray(dst, 2), "GET")
	return resp.AppendBulk(dst, AppendFenceKey(scratch[:0], b.Epoch))
}

// ParseFence reads the reply to AppendFence: whether it is set.
func (b *Batch) ParseFence(reply []byte) (set bool, err error) {
	var scratch [64]byte
	if string(reply) == string(resp.AppendBulk(scratch[:0], strconv.AppendUint(make([]byte, 0, 20), b.Epoch, 10))) {
		return true, nil
	}
	if len(reply) > 0 && (reply[0] == '$' || reply[0] == '_') {
		return false, nil
	}
	return false, wrong("fence", reply)
}

// ErrNoExpireTime is returned by ParseDump when the server, one before 7.0, does
// not know PEXPIRETIME: the gate script does without.
var ErrNoExpireTime = fmt.Errorf("%w: no PEXPIRETIME", ErrReply)

// ParseDump reads a key's replies to AppendDump, expiry being nil when it was not
// asked for. found is false for a key that is not there.
func ParseDump(key Key, dump, expiry []byte) (item Item, found bool, err error) {
	item = Item{Key: key, TTL: -1}
	if expiry != nil {
		ttl, ok := resp.Int(expiry)
		if !ok && len(expiry) > 12 && string(expiry[:12]) == "-ERR unknown" {
			return item, false, ErrNoExpireTime
		}
		if !ok {
			return item, false, wrong("expiry", expiry)
		}
		if ttl == -2 {
			return item, false, nil
		}
		item.TTL = ttl
	}
	if isNull(dump) {
		return item, false, nil
	}
	if len(dump) == 0 || dump[0] != '$' {
		return item, false, wrong("dump", dump)
	}
	n, rest, ok := number(dump[1:])
	if !ok || n < 0 || int64(len(rest)) != n+2 {
		return item, false, wrong("dump", dump)
	}
	item.Dump = rest[:n:n]
	return item, true, nil
}

// ParseScan reads one whole reply of SCAN and calls key with each name, a slice of
// reply.
func ParseScan(reply []byte, key func(name []byte)) (cursor string, err error) {
	rest, ok := reply, len(reply) > 4 && string(reply[:4]) == "*2\r\n"
	if !ok {
		return "", wrong("SCAN", reply)
	}
	bulk := func() []byte {
		var n int64
		if len(rest) == 0 || rest[0] != '$' {
			ok = false
			return nil
		}
		if n, rest, ok = number(rest[1:]); !ok || n < 0 || int64(len(rest)) < n+2 {
			ok = false
			return nil
		}
		b := rest[:n:n]
		rest = rest[n+2:]
		return b
	}
	rest = rest[4:]
	cursor = string(bulk())
	if !ok || len(rest) == 0 || rest[0] != '*' {
		return "", wrong("SCAN", reply)
	}
	n, rest2, ok2 := number(rest[1:])
	if rest = rest2; !ok2 {
		return "", wrong("SCAN", reply)
	}
	for range n {
		name := bulk()
		if !ok {
			return "", wrong("SCAN", reply)
		}
		key(name)
	}
	return cursor, nil
}
