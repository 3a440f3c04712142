package bigkey

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"codis/router/resp"
)

// list reads a list from its head.
type list struct {
	asker
	at, size int64
}

func (l *list) next(ctx context.Context) (part, error) {
	n := l.count()
	r, err := l.one(ctx, []byte("LRANGE"), l.key, decimal(l.at), decimal(l.at+n-1))
	if err != nil {
		return part{}, err
	}
	l.learn(int64(len(r.Array)), sizeOf(r.Array))
	l.at += n
	return part{
		commands: commands(r.Array, [][]byte{[]byte("RPUSH"), l.temp}, 1),
		elements: int64(len(r.Array)), last: l.at >= l.size || len(r.Array) == 0,
	}, nil
}

// elements reads what is walked with a cursor: sets, sorted sets and hashes. An element
// that was there all the time comes, maybe twice; adding it twice changes nothing.
type elements struct {
	asker
	scan, add []byte
	cursor    []byte
	// step is how many words an element has.
	step int
	// swap says that the two words go the other way round (ZADD).
	swap bool
	// expiries says that fields may have some and that the server can tell, volatile how
	// many had.
	expiries bool
	volatile int64
}

func newElements(ask asker, kind string) *elements {
	e := &elements{asker: ask, cursor: []byte("0"), step: 2}
	switch kind {
	case "set":
		e.scan, e.add, e.step = []byte("SSCAN"), []byte("SADD"), 1
	case "zset":
		e.scan, e.add, e.swap = []byte("ZSCAN"), []byte("ZADD"), true
	case "hash":
		e.scan, e.add, e.expiries = []byte("HSCAN"), []byte("HSET"), true
	}
	return e
}

func (e *elements) next(ctx context.Context) (part, error) {
	r, err := e.one(ctx, e.scan, e.key, e.cursor, []byte("COUNT"), decimal(e.count()))
	if err != nil {
		return part{}, err
	}
	if len(r.Array) != 2 || len(r.Array[1].Array)%e.step != 0 {
		return part{}, fmt.Errorf("%s: %w", e.scan, resp.ErrProtocol)
	}
	words := r.Array[1].Array
	e.cursor = r.Array[0].Str
	n := int64(len(words) / e.step)
	e.learn(n, sizeOf(words))
	p := part{elements: n, last: string(e.cursor) == "0"}
	if e.swap {
		for i := 0; i < len(words); i += 2 {
			words[i], words[i+1] = words[i+1], words[i]
		}
	}
	var expire [][][]byte
	if e.expiries {
		if words, expire, err = e.fieldExpiries(ctx, words); err != nil {
			return part{}, err
		}
	}
	p.commands = append(commands(words, [][]byte{e.add, e.temp}, e.step), expire...)
	return p, nil
}

// fieldExpiries asks when fields expire, and returns those that have not, and the
// commands that set the expiries. Servers before 7.4 have none.
func (e *elements) fieldExpiries(ctx context.Context, words []resp.Reply) (live []resp.Reply, expire [][][]byte, err error) {
	if len(words) == 0 {
		return nil, nil, nil
	}
	ask := [][]byte{[]byte("HPEXPIRETIME"), e.key, []byte("FIELDS"), decimal(int64(len(words) / 2))}
	for i := 0; i < len(words); i += 2 {
		ask = append(ask, words[i].Str)
	}
	r, err := e.one(ctx, ask...)
	if se := (*resp.ServerError)(nil); errors.As(err, &se) && se.Code == "ERR" {
		e.expiries = false
		return words, nil, nil
	}
	if err != nil || len(r.Array) != len(words)/2 {
		return nil, nil, errors.Join(err, fmt.Errorf("HPEXPIRETIME: %d answers for %d fields", len(r.Array), len(words)/2))
	}
	for i, at := range r.Array {
		switch {
		case at.Int == -2: // it expired meanwhile
			e.volatile++
			continue
		case at.Int >= 0:
			e.volatile++
			expire = append(expire, [][]byte{[]byte("HPEXPIREAT"), e.temp, decimal(at.Int), []byte("FIELDS"), []byte("1"), words[2*i].Str})
		}
		live = append(live, words[2*i], words[2*i+1])
	}
	return live, expire, nil
}

// commands makes commands of about partElements elements and partBytes each, whose words
// begin with head; an element has step words.
func commands(words []resp.Reply, head [][]byte, step int) [][][]byte {
	var all [][][]byte
	var command [][]byte
	size := 0
	for i := 0; i < len(words); i += step {
		if command == nil {
			command = append(make([][]byte, 0, len(head)+step*partElements), head...)
		}
		for _, word := range words[i : i+step] {
			command = append(command, word.Str)
			size += len(word.Str)
		}
		if size >= partBytes || len(command) >= len(head)+step*partElements {
			all, command, size = append(all, command), nil, 0
		}
	}
	if command != nil {
		all = append(all, command)
	}
	return all
}

func decimal(n int64) []byte { return strconv.AppendInt(nil, n, 10) }
