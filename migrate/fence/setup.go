package fence

import (
	"strconv"

	"codis/router/resp"
)

// setFencesScript: KEYS fences; ARGV e. A fence of a later move stays: who sets
// an older one is late. It writes also where nothing changes, so that a WAIT
// behind it speaks for all that the server wrote before.
const setFencesScript = `for i=1,#KEYS do local c=redis.call('GET',KEYS[i]) if c and tonumber(c)>tonumber(ARGV[1]) then return {ok='FENCED'} end end
for i=1,#KEYS do redis.call('SET',KEYS[i],ARGV[1]) end
return {ok='OK'}`

// setMarkersScript: KEYS moved sets, then as many permissions to purge; ARGV
// marker, how long in ms the permissions stay closed.
const setMarkersScript = `local n=#KEYS/2
for i=1,n do redis.call('SADD',KEYS[i],ARGV[1]) redis.call('SET',KEYS[n+i],'closed','PX',ARGV[2]) end
return {ok='OK'}`

// dropFencesScript: KEYS fences; ARGV e. Only what that move has set.
const dropFencesScript = `for i=1,#KEYS do if redis.call('GET',KEYS[i])==ARGV[1] then redis.call('UNLINK',KEYS[i]) end end
return {ok='OK'}`

// closedFor is how long a permission to purge can't be given again, in ms; more
// than PurgeWindow.
const closedFor = "10000"

// AppendSetFences appends the setting of X(slot) = epoch at G1. The reply is OK,
// or FENCED when a slot has a fence of a later epoch: nothing is set then.
func AppendSetFences(dst []byte, epoch uint64, slots []int) []byte {
	return appendFences(dst, setFencesScript, epoch, slots)
}

// AppendDropFences appends the removal of the fences that AppendSetFences has set.
func AppendDropFences(dst []byte, epoch uint64, slots []int) []byte {
	return appendFences(dst, dropFencesScript, epoch, slots)
}

func appendFences(dst []byte, script string, epoch uint64, slots []int) []byte {
	dst = appendEval(dst, script, len(slots), 1)
	var scratch [64]byte
	for _, slot := range slots {
		dst = resp.AppendBulk(dst, AppendFenceKey(scratch[:0], slot))
	}
	return resp.AppendBulk(dst, strconv.AppendUint(scratch[:0], epoch, 10))
}

// AppendSetMarkers appends the making of M(slot, epoch) at G2. It must not be
// sent once slots are in phase migrating: a set that has been lost must not come
// back without its members.
func AppendSetMarkers(dst []byte, epoch uint64, slots []int) []byte {
	dst = appendEval(dst, setMarkersScript, 2*len(slots), 2)
	for _, slot := range slots {
		dst = appendMoved(dst, slot, epoch)
	}
	var scratch [64]byte
	for _, slot := range slots {
		dst = resp.AppendBulk(dst, AppendPurgeKey(scratch[:0], slot))
	}
	dst = resp.AppendBulkString(dst, marker)
	return resp.AppendBulkString(dst, closedFor)
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

// AppendWaitWrite appends a write at G2 that always is one, in database 0: WAIT
// behind it, on the same connection, speaks for all that the server wrote before,
// whoever asked for it.
func AppendWaitWrite(dst []byte, epoch uint64) []byte {
	var scratch [64]byte
	dst = resp.AppendBulkString(resp.AppendArray(dst, 3), "SET")
	dst = resp.AppendBulk(dst, AppendWaitKey(scratch[:0], epoch))
	return resp.AppendBulkString(dst, "1")
}

// AppendDropWait appends the removal of the key of AppendWaitWrite.
func AppendDropWait(dst []byte, epoch uint64) []byte {
	var scratch [64]byte
	dst = resp.AppendBulkString(resp.AppendArray(dst, 2), "UNLINK")
	return resp.AppendBulk(dst, AppendWaitKey(scratch[:0], epoch))
}
