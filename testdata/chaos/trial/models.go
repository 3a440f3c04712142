package trial

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// models are the types, each empty.
var models = map[string]model{
	"list": listModel{}, "set": setModel{}, "hash": hashModel{}, "zset": zsetModel{},
	"stream": streamModel{}, "ttl": ttlModel{},
}

// Kinds are the names of the types.
func kinds() []string { return slices.Sorted(maps.Keys(models)) }

// big is from how many elements on the models prefer to remove.
const big = 12

// listModel is two lists.
type listModel struct{ a, b []string }

func (m listModel) empty() bool { return len(m.a)+len(m.b) == 0 }
func (m listModel) digest() string {
	return "[" + list(m.a) + " " + list(m.b) + "]"
}
func (m listModel) read(k [2]string) []string {
	return []string{"EVAL_RO", "return {redis.call('LRANGE',KEYS[1],0,-1),redis.call('LRANGE',KEYS[2],0,-1)}", "2", k[0], k[1]}
}
func (m listModel) next(r *rand.Rand, k [2]string, tag string) change {
	n := m
	switch p := r.IntN(10); {
	case p == 0:
		return change{[]string{"DEL", k[0]}, listModel{b: m.b}, bit(len(m.a) > 0)}
	case p <= 2 && len(m.a) > 0:
		n.a = m.a[1:]
		return change{[]string{"LPOP", k[0]}, n, m.a[0]}
	case p <= 5 && len(m.a) > 0 || len(m.a) > big:
		n.a, n.b = m.a[:len(m.a)-1], prepend(m.b, m.a[len(m.a)-1])
		if len(n.b) > big {
			n = listModel{a: m.a, b: m.b[:3]}
			return change{[]string{"LTRIM", k[1], "0", "2"}, n, "OK"}
		}
		return change{[]string{"RPOPLPUSH", k[0], k[1]}, n, m.a[len(m.a)-1]}
	case p <= 7:
		n.a = prepend(m.a, tag)
		return change{[]string{"LPUSH", k[0], tag}, n, strconv.Itoa(len(n.a))}
	default:
		n.a = append(slices.Clone(m.a), tag)
		return change{[]string{"RPUSH", k[0], tag}, n, strconv.Itoa(len(n.a))}
	}
}

// setModel is two sets.
type setModel struct{ a, b string } // members, sorted, each followed by a comma

func (m setModel) empty() bool    { return m.a+m.b == "" }
func (m setModel) digest() string { return "[" + list(split(m.a)) + " " + list(split(m.b)) + "]" }
func (m setModel) read(k [2]string) []string {
	return []string{"EVAL_RO", "local r={} for i=1,2 do r[i]=redis.call('SMEMBERS',KEYS[i]) table.sort(r[i]) end return r", "2", k[0], k[1]}
}
func (m setModel) next(r *rand.Rand, k [2]string, tag string) change {
	a, b := split(m.a), split(m.b)
	switch p := r.IntN(10); {
	case p == 0 || len(b) > big:
		return change{[]string{"DEL", k[1]}, setModel{a: m.a}, bit(len(b) > 0)}
	case p <= 2 && len(a) > 0:
		x := a[r.IntN(len(a))]
		return change{[]string{"SREM", k[0], x}, setModel{join(without(a, x)), m.b}, "1"}
	case p <= 4 && len(a) > 0 || len(a) > big:
		x := a[r.IntN(len(a))]
		return change{[]string{"SMOVE", k[0], k[1], x}, setModel{join(without(a, x)), join(append(b, x))}, "1"}
	case p == 5:
		union := slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(a), b...))))
		return change{[]string{"SUNIONSTORE", k[1], k[0], k[1]}, setModel{m.a, join(union)}, strconv.Itoa(len(union))}
	default:
		return change{[]string{"SADD", k[0], tag}, setModel{join(append(a, tag)), m.b}, "1"}
	}
}

// hashModel is one hash; the fields' values are numbers or tags.
type hashModel struct{ fields string } // name=value, sorted

func (m hashModel) empty() bool    { return m.fields == "" }
func (m hashModel) digest() string { return list(split(m.fields)) }
func (m hashModel) read(k [2]string) []string {
	return []string{"EVAL_RO", "local h,r=redis.call('HGETALL',KEYS[1]),{} for i=1,#h,2 do r[#r+1]=h[i]..'='..h[i+1] end table.sort(r) return r", "1", k[0]}
}
func (m hashModel) next(r *rand.Rand, k [2]string, tag string) change {
	fields := split(m.fields)
	f := "f" + strconv.Itoa(r.IntN(8))
	old, there := "", false
	rest := slices.DeleteFunc(slices.Clone(fields), func(x string) bool {
		name, v, _ := strings.Cut(x, "=")
		if name == f {
			old, there = v, true
		}
		return name == f
	})
	with := func(v string) hashModel { return hashModel{join(append(slices.Clone(rest), f+"="+v))} }
	switch p := r.IntN(10); {
	case p == 0:
		return change{[]string{"DEL", k[0]}, hashModel{}, bit(len(fields) > 0)}
	case p <= 2:
		return change{[]string{"HDEL", k[0], f}, hashModel{join(rest)}, bit(there)}
	case p == 3:
		if there {
			return change{[]string{"HSETNX", k[0], f, tag}, m, "0"}
		}
		return change{[]string{"HSETNX", k[0], f, tag}, with(tag), "1"}
	case p <= 6:
		if n, err := strconv.Atoi(old); err == nil || !there {
			v := strconv.Itoa(n + 7)
			return change{[]string{"HINCRBY", k[0], f, "7"}, with(v), v}
		}
		fallthrough
	default:
		return change{[]string{"HSET", k[0], f, tag}, with(tag), bit(!there)}
	}
}

// zsetModel is two sorted sets; scores are small whole numbers.
type zsetModel struct{ a, b string } // member=score, sorted by member

func (m zsetModel) empty() bool    { return m.a+m.b == "" }
func (m zsetModel) digest() string { return "[" + list(split(m.a)) + " " + list(split(m.b)) + "]" }
func (m zsetModel) read(k [2]string) []string {
	return []string{"EVAL_RO", "local r={} for i=1,2 do local z=redis.call('ZRANGE',KEYS[i],0,-1,'WITHSCORES') r[i]={} " +
		"for j=1,#z,2 do r[i][#r[i]+1]=z[j]..'='..z[j+1] end table.sort(r[i]) end return r", "2", k[0], k[1]}
}
func (m zsetModel) next(r *rand.Rand, k [2]string, tag string) change {
	a := split(m.a)
	score := strconv.Itoa(r.IntN(100))
	switch p := r.IntN(10); {
	case p == 0:
		return change{[]string{"DEL", k[0]}, zsetModel{b: m.b}, bit(len(a) > 0)}
	case p <= 2 && len(a) > 0 || len(a) > big:
		x := a[r.IntN(len(a))]
		name, _, _ := strings.Cut(x, "=")
		return change{[]string{"ZREM", k[0], name}, zsetModel{join(without(a, x)), m.b}, "1"}
	case p <= 4 && len(a) > 0:
		x := a[r.IntN(len(a))]
		name, old, _ := strings.Cut(x, "=")
		n, _ := strconv.Atoi(old)
		v := strconv.Itoa(n + 5)
		return change{[]string{"ZINCRBY", k[0], "5", name}, zsetModel{join(append(without(a, x), name+"="+v)), m.b}, v}
	case p == 5:
		return change{[]string{"ZUNIONSTORE", k[1], "1", k[0]}, zsetModel{m.a, m.a}, strconv.Itoa(len(a))}
	default:
		return change{[]string{"ZADD", k[0], score, tag}, zsetModel{join(append(a, tag+"="+score)), m.b}, "1"}
	}
}

// streamModel is one stream with a consumer group.
type streamModel struct {
	made      bool
	next_     int      // number of the next entry
	entries   []string // id=value
	delivered int      // number of the last entry that the group has read
	pending   string   // ids
}

func (m streamModel) empty() bool { return !m.made }
func (m streamModel) digest() string {
	if !m.made {
		return "none"
	}
	return "[" + list(m.entries) + " " + list(split(m.pending)) + "]"
}

// read allows for a group that is not there: a failover may have lost it, before an
// XADD made the stream again.
func (m streamModel) read(k [2]string) []string {
	return []string{"EVAL_RO", "if redis.call('EXISTS',KEYS[1])==0 then return 'none' end local r={{},{}} " +
		"for _,e in ipairs(redis.call('XRANGE',KEYS[1],'-','+')) do r[1][#r[1]+1]=e[1]..'='..e[2][2] end " +
		"local p=redis.pcall('XPENDING',KEYS[1],'g','-','+',1000) if p.err then return 'no group' end " +
		"for _,e in ipairs(p) do r[2][#r[2]+1]=e[1] end table.sort(r[2]) return r", "1", k[0]}
}
func (m streamModel) next(r *rand.Rand, k [2]string, tag string) change {
	n := m
	if !m.made {
		return change{[]string{"XGROUP", "CREATE", k[0], "g", "0", "MKSTREAM"}, streamModel{made: true, next_: 1}, "OK"}
	}
	switch p := r.IntN(12); {
	case p == 0:
		return change{[]string{"DEL", k[0]}, streamModel{}, "1"}
	case p == 1 || len(m.entries) > big:
		keep := min(3, len(m.entries))
		n.entries = m.entries[len(m.entries)-keep:]
		return change{[]string{"XTRIM", k[0], "MAXLEN", strconv.Itoa(keep)}, n, strconv.Itoa(len(m.entries) - keep)}
	case p <= 4:
		for _, e := range m.entries {
			id, v, _ := strings.Cut(e, "=")
			if number(id) > m.delivered {
				n.delivered, n.pending = number(id), join(append(split(m.pending), id))
				return change{[]string{"XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", k[0], ">"}, n,
					fmt.Sprintf("[[%s [[%s [v %s]]]]]", k[0], id, v)}
			}
		}
		return change{[]string{"XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", k[0], ">"}, n, "nil"}
	case p <= 6 && m.pending != "":
		ids := split(m.pending)
		id := ids[r.IntN(len(ids))]
		n.pending = join(without(ids, id))
		return change{[]string{"XACK", k[0], "g", id}, n, "1"}
	default:
		id := strconv.Itoa(m.next_) + "-1"
		n.next_, n.entries = m.next_+1, append(slices.Clone(m.entries), id+"="+tag)
		return change{[]string{"XADD", k[0], id, "v", tag}, n, id}
	}
}

func number(id string) int {
	text, _, _ := strings.Cut(id, "-")
	n, _ := strconv.Atoi(text)
	return n
}

// ttlModel is one string with a time to live, hours away, to the millisecond.
type ttlModel struct {
	value string
	at    int64 // ms; 0 never
}

func (m ttlModel) empty() bool { return m.value == "" }
func (m ttlModel) digest() string {
	switch {
	case m.value == "":
		return "none"
	case m.at == 0:
		return "[" + m.value + " -1]"
	}
	return fmt.Sprintf("[%s %d]", m.value, m.at)
}
func (m ttlModel) read(k [2]string) []string {
	return []string{"EVAL_RO", "local v=redis.call('GET',KEYS[1]) if not v then return 'none' end return {v,redis.call('PEXPIRETIME',KEYS[1])}", "1", k[0]}
}
func (m ttlModel) next(r *rand.Rand, k [2]string, tag string) change {
	at := time.Now().UnixMilli() + int64(2+r.IntN(48))*3600_000
	text := strconv.FormatInt(at, 10)
	switch p := r.IntN(10); {
	case m.value == "" || p <= 2:
		return change{[]string{"SET", k[0], tag, "PXAT", text}, ttlModel{tag, at}, "OK"}
	case p == 3:
		return change{[]string{"DEL", k[0]}, ttlModel{}, "1"}
	case p <= 5:
		return change{[]string{"PERSIST", k[0]}, ttlModel{m.value, 0}, bit(m.at != 0)}
	case p <= 7:
		return change{[]string{"PEXPIREAT", k[0], text}, ttlModel{m.value, at}, "1"}
	case p == 8:
		return change{[]string{"SET", k[0], tag, "KEEPTTL"}, ttlModel{tag, m.at}, "OK"}
	default:
		return change{[]string{"SET", k[0], tag}, ttlModel{tag, 0}, "OK"}
	}
}

func list(items []string) string { return "[" + strings.Join(items, " ") + "]" }

func bit(yes bool) string {
	if yes {
		return "1"
	}
	return "0"
}

func prepend(items []string, item string) []string {
	return append([]string{item}, items...)
}

func split(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// join sorts and drops doubles.
func join(items []string) string {
	return strings.Join(slices.Compact(slices.Sorted(slices.Values(items))), ",")
}

func without(items []string, item string) []string {
	return slices.DeleteFunc(slices.Clone(items), func(x string) bool { return x == item })
}
