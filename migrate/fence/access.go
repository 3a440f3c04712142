package fence

import (
	"errors"
	"fmt"
	"strconv"

	"codis/router/resp"
)

// ErrReply is returned for a reply that is not one of the script's.
var ErrReply = errors.New("unexpected reply of a fence script")

// How a client reaches key K of a slot that moves from G1 to G2 under epoch e:
//
//	SISMEMBER M K at G2 --1--> forward to G2
//	    | 0
//	gate at G1 --FENCED--> read the route again
//	    |   |\--absent---> forward to G2
//	    |    \--BIG------> reads at G1, writes wait, see big.go
//	    | value
//	restore at G2 --FENCED--> read the route again
//	    \--OK, DONE, BUSY--> forward to G2
//
// The first two may be sent together. Nothing is deleted at G1.

// gateScript: KEYS X, K; ARGV e, and the limits (see sizeOfK). PEXPIRETIME is missing before Redis 7: there
// TIME and what is left give the same to a millisecond.
const gateScript = `if redis.call('GET',KEYS[1])~=ARGV[1] then return {ok='FENCED'} end
local k=KEYS[2]
` + sizeOfK + `if n then return {ok='BIG '..n} end
local d=redis.call('DUMP',k)
if not d then return false end
` + ttlOfK + `if t==-2 then return false end
return {t,d}`

// ttlOfK leaves the absolute time at which key k expires, in ms, in t: -1 for
// never, -2 when it has expired.
const ttlOfK = `local t=redis.pcall('PEXPIRETIME',k)
if type(t)=='table' then t=redis.call('PTTL',k) if t>=0 then local n=redis.call('TIME') t=t+n[1]*1000+math.floor(n[2]/1000) end end
`

// restoreScript: KEYS M, K; ARGV expiry, dump. Only BUSYKEY may be taken for
// success: any other error says that the value is not there. A SADD that follows
// a RESTORE is not refused for lack of memory: the script has written already.
const restoreScript = `if redis.call('EXISTS',KEYS[1])==0 then return {ok='FENCED'} end
if redis.call('SISMEMBER',KEYS[1],KEYS[2])==1 then return {ok='DONE'} end
local r=redis.pcall('RESTORE',KEYS[2],ARGV[1],ARGV[2],'ABSTTL')
local s='OK'
if r.err then if not string.find(r.err,'^%-?BUSYKEY') then return r end s='BUSY' end
redis.call('SADD',KEYS[1],KEYS[2])
return {ok=s}`

// The parts of the requests that never change.
var (
	gateHead    = head(9, gateScript, "2")
	restoreHead = head(7, restoreScript, "2")
)

func head(args int, script string, keys ...string) string {
	dst := resp.AppendArray(nil, args)
	for _, arg := range append([]string{"EVAL", script}, keys...) {
		dst = resp.AppendBulkString(dst, arg)
	}
	return string(dst)
}

// AppendMember appends the question to G2 whether a key has moved: SISMEMBER.
// ParseMember reads the answer.
func AppendMember(dst []byte, slot int, epoch uint64, key []byte) []byte {
	dst = append(dst, "*3\r\n$9\r\nSISMEMBER\r\n"...)
	return resp.AppendBulk(appendMoved(dst, slot, epoch), key)
}

// ParseMember reads the answer to AppendMember.
func ParseMember(reply []byte) (moved bool, err error) {
	if len(reply) == 4 && reply[0] == ':' && (reply[1] == '0' || reply[1] == '1') {
		return reply[1] == '1', nil
	}
	return false, wrong("moved set", reply)
}

// AppendGate appends the question to G1 for a key's value: the gate script.
// ParseGate reads the answer.
func AppendGate(dst []byte, epoch uint64, key []byte, limits Limits) []byte {
	var scratch [64]byte
	dst = append(dst, gateHead...)
	dst = resp.AppendBulk(dst, AppendFenceKey(scratch[:0], epoch))
	dst = resp.AppendBulk(dst, key)
	dst = resp.AppendBulk(dst, strconv.AppendUint(scratch[:0], epoch, 10))
	return limits.append(dst)
}

// GateKind is what the gate script found.
type GateKind uint8

const (
	// GateFenced: the slot does not leave that server under that epoch.
	GateFenced GateKind = iota + 1
	// GateAbsent: there is no such key, and none can come to be: forward to G2.
	GateAbsent
	// GateValue: the value is to be restored at G2.
	GateValue
	// GateBig: the key is too large for that, and is moved by the leader.
	GateBig
	// GateGone: of a slot that goes back: the key was deleted, G1 may still have it.
	GateGone
)

func (k GateKind) String() string {
	switch k {
	case GateFenced:
		return "fenced"
	case GateAbsent:
		return "absent"
	case GateValue:
		return "value"
	case GateBig:
		return "big"
	case GateGone:
		return "gone"
	}
	return "unknown"
}

// GateReply is the answer of the gate script.
type GateReply struct {
	Kind GateKind
	// TTL is the Unix time in ms at which the key expires, -1 for never.
	TTL int64
	// Dump is a slice of the reply that was parsed.
	Dump []byte
	// Size of a big key, in elements, or of a string in bytes.
	Size int64
	// Replaces: of a slot that goes back: an older value may be there.
	Replaces bool
}

// ParseGate reads one whole reply. An error reply gives a *resp.ServerError.
func ParseGate(reply []byte) (GateReply, error) {
	switch {
	case string(reply) == "+FENCED\r\n":
		return GateReply{Kind: GateFenced}, nil
	case string(reply) == "+GONE\r\n":
		return GateReply{Kind: GateGone}, nil
	case isNull(reply):
		return GateReply{Kind: GateAbsent}, nil
	case len(reply) > 5 && string(reply[:5]) == "+BIG ":
		if n, rest, ok := number(reply[5:]); ok && len(rest) == 0 {
			return GateReply{Kind: GateBig, Size: n}, nil
		}
	case len(reply) > 9 && string(reply[:5]) == "*3\r\n:" && string(reply[len(reply)-4:]) == ":1\r\n":
		v, err := parseValue(reply[5 : len(reply)-4])
		v.Replaces = true
		return v, err
	case len(reply) > 5 && string(reply[:5]) == "*2\r\n:":
		return parseValue(reply[5:])
	}
	return GateReply{}, wrong("gate", reply)
}

// parseValue reads an expiry, after its type byte, and a dump.
func parseValue(reply []byte) (GateReply, error) {
	ttl, rest, ok := number(reply)
	if ok && len(rest) > 0 && rest[0] == '$' {
		n, dump, ok := number(rest[1:])
		if ok && n >= 0 && int64(len(dump)) == n+2 {
			return GateReply{Kind: GateValue, TTL: ttl, Dump: dump[:n:n]}, nil
		}
	}
	return GateReply{}, wrong("gate", reply)
}

// AppendRestore appends the request to G2 to take a value that the gate gave:
// the restore script. ParseRestore reads the answer.
func AppendRestore(dst []byte, slot int, epoch uint64, key []byte, ttl int64, dump []byte) []byte {
	var scratch [24]byte
	dst = append(dst, restoreHead...)
	dst = resp.AppendBulk(appendMoved(dst, slot, epoch), key)
	dst = resp.AppendBulk(dst, strconv.AppendInt(scratch[:0], max(ttl, 0), 10)) // RESTORE has 0 for never
	return resp.AppendBulk(dst, dump)
}

// RestoreResult is what the restore script did.
type RestoreResult uint8

const (
	// RestoreFenced: nothing, the slot does not move there under that epoch.
	RestoreFenced RestoreResult = iota + 1
	// RestoreDone: nothing, the key had moved before.
	RestoreDone
	// RestoreOK: the key is there now.
	RestoreOK
	// RestoreBusy: a key of that name was there, and counts.
	RestoreBusy
)

func (r RestoreResult) String() string {
	if r > 0 && int(r) <= len(restoreWords) {
		return restoreWords[r-1]
	}
	return "unknown"
}

var restoreWords = [...]string{"FENCED", "DONE", "OK", "BUSY"}

// ParseRestore reads one whole reply. An error reply, which says that the key
// did not move, gives a *resp.ServerError.
func ParseRestore(reply []byte) (RestoreResult, error) {
	if len(reply) > 3 && reply[0] == '+' {
		for i, word := range restoreWords {
			if string(reply[1:len(reply)-2]) == word {
				return RestoreResult(i + 1), nil
			}
		}
	}
	return 0, wrong("restore", reply)
}

func appendMoved(dst []byte, slot int, epoch uint64) []byte {
	var scratch [64]byte
	return resp.AppendBulk(dst, AppendMovedKey(scratch[:0], slot, epoch))
}

// isNull knows the null of RESP2 and the one of RESP3.
func isNull(reply []byte) bool { return string(reply) == "$-1\r\n" || string(reply) == "_\r\n" }

// wrong turns a reply that a script's parser does not know into an error.
func wrong(script string, reply []byte) error {
	if resp.IsError(reply) {
		if r, _, err := resp.ParseReply(reply); err == nil && r.Err() != nil {
			return r.Err()
		}
	}
	return fmt.Errorf("%w: %s: %q", ErrReply, script, reply[:min(len(reply), 40)])
}
