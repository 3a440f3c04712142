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

// checkFence ends a script unless the first key has the value ARGV[1].
const checkFence = `if redis.call('GET',KEYS[1])~=ARGV[1] then return {ok='FENCED'} end
`

// gateBatchScript: KEYS the fence, keys; ARGV e, budget, and 1 when keys may have
// an expiry. It stops after the value that exceeds the budget, so that a reply has
// a bound: the keys behind it have to be asked for again. A value goes as expiry
// and dump, -2 and an empty dump for a key that is not there.
const gateBatchScript = checkFence + `local out,left,j,volatile={},tonumber(ARGV[2]),0,ARGV[3]=='1'
for i=2,#KEYS do
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

// restoreBatchScript: KEYS moved sets, keys in the order of their sets; ARGV number
// of sets, 2 when expiries are given and 1 when there are none, for each set how
// many keys are its own, then for each key expiry, if given, and dump. It answers
// OK when all keys are there, else a result for each. What a call costs decides:
// a set of one member, the marker, knows no key; keys are added to a set at once
// after their values. A script that fails in between leaves keys that are there
// and not in the set, which count as BUSY for whoever comes next.
const restoreBatchScript = `local n,step=tonumber(ARGV[1]),tonumber(ARGV[2])
local a,last,out=n+2,n,nil
for m=1,n do
local set,first=KEYS[m],last+1
last=last+tonumber(ARGV[m+2])
local size,moved,other=redis.call('SCARD',set),nil,nil
if size>1 then
moved=redis.pcall('SMISMEMBER',set,unpack(KEYS,first,last))
if moved.err then moved={} for i=first,last do moved[i-first+1]=redis.call('SISMEMBER',set,KEYS[i]) end end
end
for i=first,last do
local s=nil
if size==0 then s='FENCED'
elseif moved and moved[i-first+1]==1 then s='DONE'
else
local r
if step==1 then r=redis.pcall('RESTORE',KEYS[i],'0',ARGV[a+1]) else r=redis.pcall('RESTORE',KEYS[i],ARGV[a+1],ARGV[a+2],'ABSTTL') end
if r.err then if string.find(r.err,'^%-?BUSYKEY') then s='BUSY' else s='-'..r.err end end
end
a=a+step
if s then out=out or {} other=true out[i-n]=s end
end
if not other then redis.call('SADD',set,unpack(KEYS,first,last))
else
local add={}
for i=first,last do local s=out[i-n] if not s or s=='BUSY' then add[#add+1]=KEYS[i] end end
if #add>0 then redis.call('SADD',set,unpack(add)) end
end
end
if not out then return {ok='OK'} end
for i=1,#KEYS-n do out[i]=out[i] or 'OK' end
return out`

// unlinkBatchScript: KEYS the fence, keys; ARGV e.
const unlinkBatchScript = checkFence + `return redis.call('UNLINK',unpack(KEYS,2))`

// MaxKeys is how many keys a batch script takes at most: Lua's stack has a bound.
const MaxKeys = 1000

// Batch names the keys of a batch script: all of one move, no more than MaxKeys.
type Batch struct {
	Epoch uint64
	// slots are those of the keys, without doubles, in the order of their first key.
	slots []int
	// at is the place of a slot in slots, plus one.
	at []uint16
	// counts are the keys of each run of one slot.
	counts []int
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
	volatile := "1"
	if ask.Persistent {
		volatile = "0"
	}
	dst = appendDecimal(b.appendKeys(dst, gateBatchScript, 3, keys), ask.Budget)
	return resp.AppendBulkString(dst, volatile)
}

// AppendUnlink appends the script that deletes keys at G1 if the fence is there.
func (b *Batch) AppendUnlink(dst []byte, keys []Key) []byte {
	return b.appendKeys(dst, unlinkBatchScript, 1, keys)
}

// appendKeys appends EVAL with the fence and the keys, and the first of its args,
// the epoch.
func (b *Batch) appendKeys(dst []byte, script string, args int, keys []Key) []byte {
	var scratch [64]byte
	dst = appendEval(dst, script, 1+len(keys), args)
	dst = resp.AppendBulk(dst, AppendFenceKey(scratch[:0], b.Epoch))
	for i := range keys {
		dst = resp.AppendBulk(dst, keys[i].Name)
	}
	return resp.AppendBulk(dst, strconv.AppendUint(scratch[:0], b.Epoch, 10))
}

// AppendRestore appends the restore script for many keys. Those of a slot must
// stand together.
func (b *Batch) AppendRestore(dst []byte, items []Item) []byte {
	b.counts = b.counts[:0]
	expiries := false
	for i, item := range items {
		if i == 0 || item.Slot != items[i-1].Slot {
			b.counts = append(b.counts, 0)
		}
		b.counts[len(b.counts)-1]++
		expiries = expiries || item.TTL > 0
	}
	step := 1
	if expiries {
		step = 2
	}
	dst = appendEval(dst, restoreBatchScript, len(b.counts)+len(items), 2+len(b.counts)+step*len(items))
	at := 0
	for _, n := range b.counts {
		dst = appendMoved(dst, items[at].Slot, b.Epoch)
		at += n
	}
	for i := range items {
		dst = resp.AppendBulk(dst, items[i].Name)
	}
	dst = appendDecimal(appendDecimal(dst, int64(len(b.counts))), int64(step))
	for _, n := range b.counts {
		dst = appendDecimal(dst, int64(n))
	}
	for i := range items {
		if expiries {
			dst = appendDecimal(dst, max(items[i].TTL, 0))
		}
		dst = resp.AppendBulk(dst, items[i].Dump)
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
// n items, none when all n are there. A result of 0 goes with an error text in
// texts at the same place.
func ParseRestoreBatch(reply []byte, n int) (results []RestoreResult, texts []string, err error) {
	if string(reply) == "+OK\r\n" {
		return nil, nil, nil
	}
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
