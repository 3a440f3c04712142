package fence

import (
	"strconv"

	"codis/router/resp"
)

// A batch that is turned round in the middle of its move from G1 to G2, under epoch
// w, goes back from G2 to G1 under epoch e. While nobody uses the slots, M(slot, w)
// at G2 becomes L(slot, e), by RENAME, and X(w) at G1 goes: no late script of w
// finds what it looks for. L says where each key's value is:
//
//	in L, and at G2      that value; G1 may have an older one      REPLACE
//	in L, not at G2      deleted; G1 may still have it             remove
//	not in L, at G2      that value, unless G1 has the key         RESTORE, BUSY
//	not in L, not at G2  what G1 has
//
// L has the name of a moved set of e, but is at the group that slots leave. The gate
// looks into it; what comes of it is fenced with M(slot, e) at G1, like any restore.

// sealScript: KEYS moved sets of w, moved sets of e; ARGV number of either, deadline.
const sealScript = late + `local n=tonumber(ARGV[1])
for i=1,n do if redis.call('EXISTS',KEYS[i])==1 then redis.call('RENAME',KEYS[i],KEYS[n+i]) end end
return {ok='OK'}`

// gateBackScript: KEYS X, K, L; ARGV e.
const gateBackScript = `if redis.call('GET',KEYS[1])~=ARGV[1] then return {ok='FENCED'} end
local k=KEYS[2]
local left=redis.call('SISMEMBER',KEYS[3],k)
local d,t=redis.call('DUMP',k),-2
if d then
` + ttlOfKLocal + `end
if t==-2 then if left==1 then return {ok='GONE'} end return false end
if left==1 then return {t,d,1} end
return {t,d}`

// replaceScript: KEYS M, K; ARGV expiry, dump, or nothing for a key that is to go.
const replaceScript = `if redis.call('EXISTS',KEYS[1])==0 then return {ok='FENCED'} end
if redis.call('SISMEMBER',KEYS[1],KEYS[2])==1 then return {ok='DONE'} end
if #ARGV==0 then redis.call('UNLINK',KEYS[2])
else
local r=redis.pcall('RESTORE',KEYS[2],ARGV[1],ARGV[2],'ABSTTL','REPLACE')
if r.err then return r end
end
redis.call('SADD',KEYS[1],KEYS[2])
return {ok='OK'}`

// forgetScript: KEYS X, L, keys; ARGV e.
const forgetScript = checkFence + `redis.call('UNLINK',unpack(KEYS,3))
return redis.call('SREM',KEYS[2],unpack(KEYS,3))`

// AppendSeal appends the making of L(slot, epoch) of M(slot, was) at G2. The reply is
// OK, or LATE. Done twice it is harmless.
func AppendSeal(dst []byte, was, epoch uint64, slots []int, deadline int64) []byte {
	dst = appendEval(dst, sealScript, 2*len(slots), 2)
	for _, e := range []uint64{was, epoch} {
		for _, slot := range slots {
			dst = appendMoved(dst, slot, e)
		}
	}
	dst = appendDecimal(dst, int64(len(slots)))
	return appendDecimal(dst, deadline)
}

// AppendGateBack is AppendGate for a slot that goes back. ParseGate reads the answer.
func AppendGateBack(dst []byte, slot int, epoch uint64, key []byte) []byte {
	var scratch [64]byte
	dst = appendEval(dst, gateBackScript, 3, 1)
	dst = resp.AppendBulk(dst, AppendFenceKey(scratch[:0], epoch))
	dst = resp.AppendBulk(dst, key)
	dst = appendMoved(dst, slot, epoch)
	return resp.AppendBulk(dst, strconv.AppendUint(scratch[:0], epoch, 10))
}

// AppendReplace appends the request to G1 to take a value in place of an older one.
// ParseRestore reads the answer.
func AppendReplace(dst []byte, slot int, epoch uint64, key []byte, ttl int64, dump []byte) []byte {
	dst = appendMoved(appendEval(dst, replaceScript, 2, 2), slot, epoch)
	dst = appendDecimal(resp.AppendBulk(dst, key), max(ttl, 0))
	return resp.AppendBulk(dst, dump)
}

// AppendRemove appends the request to G1 to delete an older value of a key that was
// deleted at G2. ParseRestore reads the answer.
func AppendRemove(dst []byte, slot int, epoch uint64, key []byte) []byte {
	dst = appendMoved(appendEval(dst, replaceScript, 2, 0), slot, epoch)
	return resp.AppendBulk(dst, key)
}

// AppendForget appends the deletion at G2 of keys of one slot that are in M(slot,
// epoch) at G1, and of what L knows of them. ParseUnlink reads the answer.
func (b *Batch) AppendForget(dst []byte, slot int, keys [][]byte) []byte {
	var scratch [64]byte
	dst = appendEval(dst, forgetScript, 2+len(keys), 1)
	dst = resp.AppendBulk(dst, AppendFenceKey(scratch[:0], b.Epoch))
	dst = appendMoved(dst, slot, b.Epoch)
	for _, key := range keys {
		dst = resp.AppendBulk(dst, key)
	}
	return resp.AppendBulk(dst, strconv.AppendUint(scratch[:0], b.Epoch, 10))
}

// AppendLeft appends SSCAN of L(slot, epoch). ParseLeft reads the answer.
func AppendLeft(dst []byte, slot int, epoch uint64, cursor string) []byte {
	dst = appendMoved(resp.AppendBulkString(resp.AppendArray(dst, 5), "SSCAN"), slot, epoch)
	for _, arg := range []string{cursor, "COUNT", "64"} {
		dst = resp.AppendBulkString(dst, arg)
	}
	return dst
}

// ParseLeft calls key with each key of a reply to AppendLeft.
func ParseLeft(reply []byte, key func(name []byte)) (cursor string, err error) {
	return ParseScan(reply, func(name []byte) {
		if !IsReserved(name) { // the marker
			key(name)
		}
	})
}
