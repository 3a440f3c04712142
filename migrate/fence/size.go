package fence

import (
	"fmt"
	"strconv"

	"codis/router/resp"
)

// Limits say which keys are big: those that take more memory, or have more elements.
// DUMP and RESTORE of such a key would stop its servers for too long.
type Limits struct {
	Bytes, Elements int64
}

// floor is a size in memory up to which no key can be big: an element takes two bytes
// at least.
func (l Limits) floor() int64 { return min(l.Bytes, l.Elements) }

// append appends the three arguments of sizeOfK.
func (l Limits) append(dst []byte) []byte {
	return appendDecimal(appendDecimal(appendDecimal(dst, l.floor()), l.Bytes), l.Elements)
}

// sizeOfK leaves in n how many elements, of a string bytes, key k has if it is big, else
// nil; the last three arguments are the limits. Of a small key it costs one call. Types
// of modules have no chunks: they are never big.
const sizeOfK = `local n=nil
local v=redis.pcall('MEMORY','USAGE',k)
if v and (type(v)=='table' or v>tonumber(ARGV[#ARGV-2])) then
local c=({` + lengths + `})[redis.call('TYPE',k).ok]
if c then
n=redis.call(c,k)
local b=tonumber(ARGV[#ARGV-1])
if type(v)=='table' then v=0 if c=='STRLEN' then v=n end end
if v<=b and (c=='STRLEN' or n<=tonumber(ARGV[#ARGV])) then n=nil end
end
end
`

// lengths are the commands that tell the size of a key, by its type.
const lengths = `string='STRLEN',list='LLEN',set='SCARD',zset='ZCARD',hash='HLEN',stream='XLEN'`

// bigScript: KEYS keys; ARGV limits. It answers with the places of the big ones.
const bigScript = `local o={}
for i,k in ipairs(KEYS) do
` + sizeOfK + `if n then o[#o+1]=i end
end
return o`

// AppendSize appends the question how much memory a key takes: where it is asked of
// each, a command costs less than a script (0.77 us and 0.95). MaybeBig reads the answer.
func AppendSize(dst, key []byte) []byte {
	dst = append(dst, "*3\r\n$6\r\nMEMORY\r\n$5\r\nUSAGE\r\n"...)
	return resp.AppendBulk(dst, key)
}

// MaybeBig reads the answer to AppendSize: whether AppendBig has to be asked about the key.
func (l Limits) MaybeBig(reply []byte) bool {
	n, ok := resp.Int(reply)
	return !isNull(reply) && (!ok || n > l.floor())
}

// AppendBig appends the question to G1 which of the keys, at most MaxKeys, are big.
// ParseBig reads the answer.
func AppendBig(dst []byte, keys []Key, limits Limits) []byte {
	dst = appendEval(dst, bigScript, len(keys), 3)
	for _, key := range keys {
		dst = resp.AppendBulk(dst, key.Name)
	}
	return limits.append(dst)
}

// ParseBig reads one whole reply to AppendBig: the places of the big keys among n.
func ParseBig(reply []byte, n int) (places []int, err error) {
	r, _, err := resp.ParseReply(reply)
	if err != nil || r.Kind != resp.KindArray {
		return nil, wrong("size", reply)
	}
	for _, e := range r.Array {
		if e.Kind != resp.KindInteger || e.Int < 1 || e.Int > int64(n) {
			return nil, fmt.Errorf("%w: size: place %s of %d", ErrReply, strconv.Quote(e.Text()), n)
		}
		places = append(places, int(e.Int)-1)
	}
	return places, nil
}
