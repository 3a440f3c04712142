package fence

import (
	"strconv"
	"time"

	"codis/router/resp"
)

// How a big key K gets from G1 to G2 under epoch e. While it is at G1, it is not in M, and
// nobody writes it; only the leader copies it:
//
//	look at G1: X == e, and what K is
//	begin at G2: a new name C for the copy; what earlier attempts have left goes
//	parts of K at G1 --> chunks of C at G2
//	look at G1: X == e, K as before: so it was all the time between
//	commit at G2: C whole? RENAMENX C K, its expiry, K into M, all in one script
//
// A reader sends its command to G1 and asks M behind the reply (AppendReadCheck). K not
// in M, with M's marker there, says that K had not been committed when the reply was made:
// no write can have been acknowledged at G2, and K at G1 was what it had been since phase
// migrating began. Else the reply is thrown away. So K may be deleted at G1 while readers
// are on their way there: they find it gone, and in M.
//
// A writer says that it waits (AppendWish), and asks again until K is in M.

// CopyTTL is for how long a copy outlives the last chunk: leaders that take over and
// the end of a move delete it before.
const CopyTTL = 10 * time.Minute

// wishTTL is for how long a wish lives without being repeated.
const wishTTL = 10 * time.Second

// whereScript begins a script: it ends with FENCED without a marker, and goes on to what is
// to be done if K is in M.
const whereScript = `if redis.call('EXISTS',KEYS[1])==0 then return {ok='FENCED'} end
if redis.call('SISMEMBER',KEYS[1],KEYS[2])==1 then `

// readCheckScript: KEYS M, keys.
const readCheckScript = `if redis.call('EXISTS',KEYS[1])==0 then return {ok='FENCED'} end
for i=2,#KEYS do if redis.call('SISMEMBER',KEYS[1],KEYS[i])==1 then return {ok='DONE'} end end
return {ok='WAIT'}`

// wishScript: KEYS M, K, wanted; ARGV expiry. Without memory for the wish it waits for
// its turn.
const wishScript = whereScript + `return {ok='DONE'} end
redis.pcall('SADD',KEYS[3],KEYS[2])
redis.call('PEXPIRE',KEYS[3],ARGV[1])
return {ok='WAIT'}`

// lookScript: KEYS X, K; ARGV e.
const lookScript = `if redis.call('GET',KEYS[1])~=ARGV[1] then return {ok='FENCED'} end
local k=KEYS[2]
local y=redis.call('TYPE',k).ok
local c=({` + lengths + `})[y]
local n=-1
if c then n=redis.call(c,k) end
` + ttlOfK + `local i=redis.call('INFO','server')
local a,b=string.match(i,'redis_version:(%d+)%.(%d+)')
return {y,n,t,string.match(i,'run_id:(%w+)') or '',(a or 0)*100+(b or 0)}`

// beginScript: KEYS M, K, copies, C; ARGV expiry.
const beginScript = whereScript + `return {ok='DONE'} end
if redis.call('EXISTS',KEYS[2])==1 then redis.call('SADD',KEYS[1],KEYS[2]) return {ok='BUSY'} end
for _,c in ipairs(redis.call('SMEMBERS',KEYS[3])) do redis.call('UNLINK',c) end
redis.call('DEL',KEYS[3])
redis.call('SADD',KEYS[3],KEYS[4])
redis.call('PEXPIRE',KEYS[3],ARGV[1])
return {ok='OK'}`

// chunkScript: KEYS M, C, copies; ARGV 1 for the first chunk else 0, expiry, then commands,
// each with the number of its words before it. Only the first chunk may make C: so
// no part of it can be missing later, whatever has taken it away meanwhile.
const chunkScript = `if redis.call('EXISTS',KEYS[1])==0 then return {ok='FENCED'} end
if redis.call('EXISTS',KEYS[2])==tonumber(ARGV[1]) then return {ok='LOST'} end
local i=3
while i<=#ARGV do
local n=tonumber(ARGV[i])
local r=redis.pcall(unpack(ARGV,i+1,i+n))
if type(r)=='table' and r.err then redis.call('UNLINK',KEYS[2]) return r end
i=i+n+1
end
redis.call('PEXPIRE',KEYS[2],ARGV[2])
redis.call('PEXPIRE',KEYS[3],ARGV[2])
return {ok='OK'}`

// commitScript: KEYS M, K, C, copies, wanted; ARGV expiry, the command that tells the
// length, and between what it must be.
const commitScript = whereScript + `redis.call('UNLINK',KEYS[3]) return {ok='DONE'} end
if redis.call('EXISTS',KEYS[3])==0 then return {ok='LOST'} end
local n=redis.call(ARGV[2],KEYS[3])
if n<tonumber(ARGV[3]) or n>tonumber(ARGV[4]) then return {ok='LOST'} end
local s='OK'
if redis.call('RENAMENX',KEYS[3],KEYS[2])==0 then redis.call('UNLINK',KEYS[3]) s='BUSY'
elseif tonumber(ARGV[1])<0 then redis.call('PERSIST',KEYS[2])
else redis.call('PEXPIREAT',KEYS[2],ARGV[1]) end
redis.call('SADD',KEYS[1],KEYS[2])
redis.call('SREM',KEYS[4],KEYS[3])
redis.call('SREM',KEYS[5],KEYS[2])
return {ok=s}`

// sweepScript: KEYS copies, and what else is to go.
const sweepScript = `for _,c in ipairs(redis.call('SMEMBERS',KEYS[1])) do redis.call('UNLINK',c) end
redis.call('UNLINK',unpack(KEYS))
return {ok='OK'}`

// AppendCopyKey appends the name of one attempt's copy of a big key.
func AppendCopyKey(dst []byte, slot int, epoch, attempt uint64) []byte {
	dst = strconv.AppendInt(append(dst, copyPrefix...), int64(slot), 10)
	dst = strconv.AppendUint(append(dst, ':'), epoch, 10)
	return strconv.AppendUint(append(dst, ':'), attempt, 16)
}

func appendCopies(dst []byte, epoch uint64) []byte {
	return resp.AppendBulkString(dst, copiesPrefix+strconv.FormatUint(epoch, 10))
}

func appendWanted(dst []byte, epoch uint64) []byte {
	return resp.AppendBulkString(dst, wantedPrefix+strconv.FormatUint(epoch, 10))
}

// Where is the answer to AppendReadCheck and AppendWish.
type Where uint8

const (
	// WhereFenced: the slot does not move there under that epoch.
	WhereFenced Where = iota + 1
	// WhereMoved: the key is at G2.
	WhereMoved
	// WhereSource: the key has not moved.
	WhereSource
)

func (w Where) String() string {
	if w > 0 && int(w) <= len(whereWords) {
		return whereWords[w-1]
	}
	return "unknown"
}

var whereWords = [...]string{"FENCED", "DONE", "WAIT"}

// AppendReadCheck appends the question to G2 behind the reply of G1 to a read of keys of
// one slot. ParseWhere reads the answer; only WhereSource makes the reply one for the
// client. WhereMoved: one of the keys has moved.
func AppendReadCheck(dst []byte, slot int, epoch uint64, keys [][]byte) []byte {
	dst = appendMoved(appendEval(dst, readCheckScript, 1+len(keys), 0), slot, epoch)
	for _, key := range keys {
		dst = resp.AppendBulk(dst, key)
	}
	return dst
}

// AppendWish appends to G2 that a request waits for a big key. ParseWhere reads the answer.
func AppendWish(dst []byte, slot int, epoch uint64, key []byte) []byte {
	dst = appendMoved(appendEval(dst, wishScript, 3, 1), slot, epoch)
	dst = appendWanted(resp.AppendBulk(dst, key), epoch)
	return appendDecimal(dst, wishTTL.Milliseconds())
}

// ParseWhere reads one whole reply.
func ParseWhere(reply []byte) (Where, error) {
	for i, word := range whereWords {
		if string(reply) == "+"+word+"\r\n" {
			return Where(i + 1), nil
		}
	}
	return 0, wrong("big key", reply)
}

// AppendWanted appends the question to G2 which keys of a database requests wait for. The
// reply is an array of names.
func AppendWanted(dst []byte, epoch uint64) []byte {
	return appendWanted(resp.AppendBulkString(resp.AppendArray(dst, 2), "SMEMBERS"), epoch)
}

// AppendUnwant appends that nobody has to wait for a key any more.
func AppendUnwant(dst []byte, epoch uint64, key []byte) []byte {
	dst = appendWanted(resp.AppendBulkString(resp.AppendArray(dst, 3), "SREM"), epoch)
	return resp.AppendBulk(dst, key)
}

// AppendSweepCopies appends the deletion of the copies that attempts of a move have left in
// a database, also one that is under way, which then ends with CopyLost. The reply is OK.
func AppendSweepCopies(dst []byte, epoch uint64) []byte {
	return appendCopies(appendEval(dst, sweepScript, 1, 0), epoch)
}

// AppendDropBig appends the deletion of all that big keys of a move have left in a
// database, once M is gone. The reply is OK.
func AppendDropBig(dst []byte, epoch uint64) []byte {
	return appendWanted(appendCopies(appendEval(dst, sweepScript, 2, 0), epoch), epoch)
}
