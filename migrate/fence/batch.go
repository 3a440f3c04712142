package fence

import (
	"fmt"
	"strconv"

	"codis/router/resp"
)

// Key is a key and its slot.
type Key struct {
	Slot int
	Name []byte
}

// Item is a key with the value that a gate gave.
type Item struct {
	Key
	// TTL is the Unix time in ms at which the key expires, -1 for never.
	TTL  int64
	Dump []byte
}

// checkFences ends a script unless the first ARGV[2] keys, which it leaves in n,
// have the value ARGV[1]. Calls are what a script costs, so there is only one.
const checkFences = `local n=tonumber(ARGV[2])
for i,x in ipairs(redis.call('MGET',unpack(KEYS,1,n))) do if x~=ARGV[1] then return {ok='FENCED'} end end
`

// gateBatchScript: KEYS fences, keys; ARGV e, number of fences, budget, and 1 when
// keys may have an expiry. It stops
// after the value that exceeds the budget, so that a reply has a bound: the
// keys behind it have to be asked for again. A value goes as expiry and dump,
// -2 and an empty dump for a key that is not there.
const gateBatchScript = checkFences + `local out,left,j,volatile={},tonumber(ARGV[3]),0,ARGV[4]=='1'
for i=n+1,#KEYS do
local k=KEYS[i]
local d=redis.call('DUMP',k)
local t=-1
if not d then t=-2 elseif volatile then
` + ttlOfKLocal + `end
if t==-2 then d='' end
out[j+1]=t out[j+2]=d j=j+2
left=left-#d
if left<=0 then break end
end
return out`

// ttlOfKLocal is ttlOfK for a t that is declared outside.
const ttlOfKLocal = `t=redis.pcall('PEXPIRETIME',k)
if type(t)=='table' then t=redis.call('PTTL',k) if t>=0 then local n=redis.call('TIME') t=t+n[1]*1000+math.floor(n[2]/1000) end end
`

// restoreBatchScript: KEYS moved sets, keys; ARGV number of moved sets, then for
// each key the number of its set, expiry, dump. Each key gets its own result. A
// key is added to its set first, which says whether it was there, and taken out
// again when the value is refused: nobody sees what is between.
const restoreBatchScript = `local n,there,out=tonumber(ARGV[1]),{},{}
local all=redis.call('EXISTS',unpack(KEYS,1,n))==n
for i=1,n do there[i]=all or redis.call('EXISTS',KEYS[i])==1 end
for i=1,#KEYS-n do
local k,a=KEYS[n+i],3*i-1
local m=tonumber(ARGV[a])
local s='OK'
if not there[m] then s='FENCED'
elseif redis.call('SADD',KEYS[m],k)==0 then s='DONE'
else
local r=redis.pcall('RESTORE',k,ARGV[a+1],ARGV[a+2],'ABSTTL')
if r.err then if string.find(r.err,'^%-?BUSYKEY') then s='BUSY' else s='-'..r.err redis.call('SREM',KEYS[m],k) end end
end
out[i]=s
end
return out`

// unlinkBatchScript: KEYS fences, keys; ARGV e, number of fences.
const unlinkBatchScript = checkFences + `return redis.call('UNLINK',unpack(KEYS,n+1))`

// MaxKeys is how many keys a batch script takes at most: Lua's stack has a bound.
const MaxKeys = 1000

// Batch names the keys of a batch script: all of one move, no more than MaxKeys.
type Batch struct {
	Epoch uint64
	// slots are those of the keys, without doubles, in the order of their first key.
	slots []int
	// at is the place of a slot in slots, plus one.
	at []uint16
}

// slotCount is topology.SlotCount; this package is a leaf.
const slotCount = 1024

// NewBatch returns the builder of the batch scripts of a move, to be used again
// and again by one goroutine.
func NewBatch(epoch uint64) *Batch { return &Batch{Epoch: epoch, at: make([]uint16, slotCount)} }

func (b *Batch) reset() {
	for _, slot := range b.slots {
		b.at[slot] = 0
	}
	b.slots = b.slots[:0]
}

func (b *Batch) add(slot int) {
	if b.at[slot] == 0 {
		b.slots = append(b.slots, slot)
		b.at[slot] = uint16(len(b.slots))
	}
}

// Ask says what AppendGate asks for.
type Ask struct {
	// Budget bounds the values of the reply, in bytes, give or take the last one.
	Budget int64
	// Persistent says that no key of the database has an expiry: none is asked for.
	Persistent bool
}

// AppendGate appends the gate script for many keys.
func (b *Batch) AppendGate(dst []byte, keys []Key, ask Ask) []byte {
	dst = appendDecimal(b.appendKeys(dst, gateBatchScript, 4, keys), ask.Budget)
	if ask.Persistent {
		return appendDecimal(dst, 0)
	}
	return appendDecimal(dst, 1)
}

// AppendUnlink appends the deletion of keys that have moved.
func (b *Batch) AppendUnlink(dst []byte, keys []Key) []byte {
	return b.appendKeys(dst, unlinkBatchScript, 2, keys)
}

// appendKeys appends a script, its keys, and its first two arguments of args.
func (b *Batch) appendKeys(dst []byte, script string, args int, keys []Key) []byte {
	b.reset()
	for _, key := range keys {
		b.add(key.Slot)
	}
	dst = appendEval(dst, script, len(b.slots)+len(keys), args)
	var scratch [64]byte
	for _, slot := range b.slots {
		dst = resp.AppendBulk(dst, AppendFenceKey(scratch[:0], slot))
	}
	for _, key := range keys {
		dst = resp.AppendBulk(dst, key.Name)
	}
	dst = resp.AppendBulk(dst, strconv.AppendUint(scratch[:0], b.Epoch, 10))
	return appendDecimal(dst, int64(len(b.slots)))
}

// AppendRestore appends the restore script for many keys.
func (b *Batch) AppendRestore(dst []byte, items []Item) []byte {
	b.reset()
	for _, item := range items {
		b.add(item.Slot)
	}
	dst = appendEval(dst, restoreBatchScript, len(b.slots)+len(items), 1+3*len(items))
	for _, slot := range b.slots {
		dst = appendMoved(dst, slot, b.Epoch)
	}
	for _, item := range items {
		dst = resp.AppendBulk(dst, item.Name)
	}
	dst = appendDecimal(dst, int64(len(b.slots)))
	for _, item := range items {
		dst = appendDecimal(dst, int64(b.at[item.Slot]))
		dst = appendDecimal(dst, max(item.TTL, 0))
		dst = resp.AppendBulk(dst, item.Dump)
	}
	return dst
}

// ParseGateBatch reads one whole reply to AppendGate: the values that were found
// are appended to items, their dumps slices of reply. asked is how many of the
// keys, from the first, the reply is about; fenced says that it is about none.
func ParseGateBatch(items []Item, reply []byte, keys []Key) (_ []Item, asked int, fenced bool, err error) {
	if string(reply) == "+FENCED\r\n" {
		return items, 0, true, nil
	}
	bad := func() ([]Item, int, bool, error) { return items, 0, false, wrong("gate of a batch", reply) }
	if len(reply) == 0 || reply[0] != '*' {
		return bad()
	}
	n, rest, ok := number(reply[1:])
	if !ok || n%2 != 0 || n < 2 || n/2 > int64(len(keys)) {
		return bad()
	}
	for i := range int(n / 2) {
		var ttl, length int64
		if len(rest) == 0 || rest[0] != ':' {
			return bad()
		}
		if ttl, rest, ok = number(rest[1:]); !ok || len(rest) == 0 || rest[0] != '$' {
			return bad()
		}
		if length, rest, ok = number(rest[1:]); !ok || length < 0 || int64(len(rest)) < length+2 {
			return bad()
		}
		if ttl != -2 {
			items = append(items, Item{Key: keys[i], TTL: ttl, Dump: rest[:length:length]})
		}
		rest = rest[length+2:]
	}
	return items, int(n / 2), false, nil
}

// ParseRestoreBatch reads one whole reply to AppendRestore: a result for each of
// n items. A result of 0 goes with an error text in texts at the same place.
func ParseRestoreBatch(reply []byte, n int) (results []RestoreResult, texts []string, err error) {
	r, _, err := resp.ParseReply(reply)
	if err != nil || r.Kind != resp.KindArray || len(r.Array) != n {
		return nil, nil, wrong("restore of a batch", reply)
	}
	results, texts = make([]RestoreResult, n), make([]string, n)
	for i, e := range r.Array {
		for j, word := range restoreWords {
			if string(e.Str) == word {
				results[i] = RestoreResult(j + 1)
			}
		}
		if results[i] != 0 {
			continue
		}
		if len(e.Str) < 2 || e.Str[0] != '-' {
			return nil, nil, fmt.Errorf("%w: restore of a batch: %q", ErrReply, e.Str[:min(len(e.Str), 40)])
		}
		texts[i] = string(e.Str[1:])
	}
	return results, texts, nil
}

// ParseUnlink reads one whole reply to AppendUnlink: how many keys are gone.
func ParseUnlink(reply []byte) (deleted int64, fenced bool, err error) {
	if string(reply) == "+FENCED\r\n" {
		return 0, true, nil
	}
	if len(reply) > 1 && reply[0] == ':' {
		if n, _, ok := number(reply[1:]); ok {
			return n, false, nil
		}
	}
	return 0, false, wrong("unlink", reply)
}

// appendEval appends EVAL up to the number of keys.
func appendEval(dst []byte, script string, keys, args int) []byte {
	dst = resp.AppendArray(dst, 3+keys+args)
	dst = resp.AppendBulkString(dst, "EVAL")
	dst = resp.AppendBulkString(dst, script)
	return appendDecimal(dst, int64(keys))
}

func appendDecimal(dst []byte, n int64) []byte {
	var scratch [24]byte
	return resp.AppendBulk(dst, strconv.AppendInt(scratch[:0], n, 10))
}
