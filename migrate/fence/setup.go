package fence

import (
	"strconv"

	"codis/router/resp"
)

// late ends a script when the server's clock has passed the last argument. Who
// sets up a move has read that clock before the move was agreed on; a request
// that was held up lands when another leader may have ended the move, and would
// leave behind what nobody removes.
const late = `local n=redis.call('TIME')
if n[1]*1000+math.floor(n[2]/1000)>tonumber(ARGV[#ARGV]) then return {ok='LATE'} end
`

// whenFull has a script go on at a server that is out of memory, which is what slots
// are moved away from: a script is refused nothing any more once it has begun to
// write, and PERSIST is a write that is never refused and changes no reserved key of
// its kind.
const whenFull = `redis.call('PERSIST',KEYS[1])
`

// setFenceScript: KEYS the fence; ARGV e, deadline.
const setFenceScript = late + whenFull + `return redis.call('SET',KEYS[1],ARGV[1])`

// setMarkersScript: KEYS moved sets; ARGV marker, deadline.
const setMarkersScript = late + `for i=1,#KEYS do redis.call('SADD',KEYS[i],ARGV[1]) end
return {ok='OK'}`

// purgeScript: KEYS moved sets, keys; ARGV number of moved sets, deadline.
const purgeScript = late + `local n,c=tonumber(ARGV[1]),0
for i=1,n do if redis.call('EXISTS',KEYS[i])==0 then return {ok='FENCED'} end end
for i=n+1,#KEYS do c=c+redis.call('UNLINK',KEYS[i]) end
return c`

// AppendSetFence appends the setting of X(epoch) = epoch at G1. The reply is OK; or
// LATE when that server's clock is past the deadline, in Unix ms, and nothing is
// set.
func AppendSetFence(dst []byte, epoch uint64, deadline int64) []byte {
	var scratch [64]byte
	dst = appendEval(dst, setFenceScript, 1, 2)
	dst = resp.AppendBulk(dst, AppendFenceKey(scratch[:0], epoch))
	dst = resp.AppendBulk(dst, strconv.AppendUint(scratch[:0], epoch, 10))
	return appendDecimal(dst, deadline)
}

// AppendDropFence appends the removal of what AppendSetFence has set.
func AppendDropFence(dst []byte, epoch uint64) []byte {
	var scratch [64]byte
	dst = resp.AppendBulkString(resp.AppendArray(dst, 2), "UNLINK")
	return resp.AppendBulk(dst, AppendFenceKey(scratch[:0], epoch))
}

// AppendSetMarkers appends the making of M(slot, epoch) at G2. The reply is OK or
// LATE. It must not be sent once slots are in phase migrating: a set that has been
// lost must not come back without its members.
func AppendSetMarkers(dst []byte, epoch uint64, slots []int, deadline int64) []byte {
	dst = appendEval(dst, setMarkersScript, len(slots), 2)
	for _, slot := range slots {
		dst = appendMoved(dst, slot, epoch)
	}
	dst = resp.AppendBulkString(dst, marker)
	return appendDecimal(dst, deadline)
}

// countScript: KEYS moved sets, keys; ARGV number of moved sets, for each key the
// number of its set.
const countScript = `local n=tonumber(ARGV[1])
for i=1,n do if redis.call('EXISTS',KEYS[i])==0 then return {ok='FENCED'} end end
for i=n+1,#KEYS do redis.call('SADD',KEYS[tonumber(ARGV[i-n+1])],KEYS[i]) end
return {ok='OK'}`

// AppendCount appends the request that puts keys into their moved sets, which must be
// there. The reply is OK or FENCED.
func (b *Batch) AppendCount(dst []byte, keys []Key) []byte {
	b.reset()
	for _, key := range keys {
		b.add(key.Slot)
	}
	dst = appendEval(dst, countScript, len(b.slots)+len(keys), 1+len(keys))
	for _, slot := range b.slots {
		dst = appendMoved(dst, slot, b.Epoch)
	}
	for _, key := range keys {
		dst = resp.AppendBulk(dst, key.Name)
	}
	dst = appendDecimal(dst, int64(len(b.slots)))
	for _, key := range keys {
		dst = appendDecimal(dst, int64(b.at[key.Slot]))
	}
	return dst
}

// AppendPurge appends the deletion at G2 of keys that no client can reach, before
// slots are in phase migrating. The reply is the number of keys, or LATE or FENCED.
func (b *Batch) AppendPurge(dst []byte, keys []Key, deadline int64) []byte {
	b.reset()
	for _, key := range keys {
		b.add(key.Slot)
	}
	dst = appendEval(dst, purgeScript, len(b.slots)+len(keys), 2)
	for _, slot := range b.slots {
		dst = appendMoved(dst, slot, b.Epoch)
	}
	for _, key := range keys {
		dst = resp.AppendBulk(dst, key.Name)
	}
	dst = appendDecimal(dst, int64(len(b.slots)))
	return appendDecimal(dst, deadline)
}

// AppendCountMoved appends EXISTS of all M(slot, epoch), whose reply is their number.
func AppendCountMoved(dst []byte, epoch uint64, slots []int) []byte {
	return appendMovedCommand(dst, "EXISTS", epoch, slots)
}

// AppendDropMoved appends UNLINK of all M(slot, epoch).
func AppendDropMoved(dst []byte, epoch uint64, slots []int) []byte {
	return appendMovedCommand(dst, "UNLINK", epoch, slots)
}

func appendMovedCommand(dst []byte, name string, epoch uint64, slots []int) []byte {
	dst = resp.AppendBulkString(resp.AppendArray(dst, 1+len(slots)), name)
	for _, slot := range slots {
		dst = appendMoved(dst, slot, epoch)
	}
	return dst
}

// AppendWaitWrite appends a write that always is one: WAIT behind it, on the same
// connection, speaks for all that the server wrote before, whoever asked for it.
func AppendWaitWrite(dst []byte, epoch uint64) []byte {
	var scratch [64]byte
	return resp.AppendBulk(appendEval(dst, waitWriteScript, 1, 0), AppendWaitKey(scratch[:0], epoch))
}

// waitWriteScript: KEYS the key, which expires by itself.
const waitWriteScript = whenFull + `return redis.call('SET',KEYS[1],'1','PX',2000)`

// AppendDropWait appends the removal of the key of AppendWaitWrite.
func AppendDropWait(dst []byte, epoch uint64) []byte {
	var scratch [64]byte
	dst = resp.AppendBulkString(resp.AppendArray(dst, 2), "UNLINK")
	return resp.AppendBulk(dst, AppendWaitKey(scratch[:0], epoch))
}
