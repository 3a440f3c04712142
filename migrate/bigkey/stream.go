package bigkey

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"codis/router/resp"
)

// stream reads a stream: its groups and consumers, then parts of its entries, each with
// what is pending of them, and last its counters.
//
// An entry may be pending that has been deleted. XCLAIM makes it pending at the target
// only while an entry of that ID is there, and XADD only adds at the end. So a part has
// place-holders for such entries, which go behind it: with XDEL, or where the source
// has never had an XDEL, whose highest ID it would show, with one XTRIM at the end.
type stream struct {
	asker
	begun, ended bool
	groups       [][]byte
	// consumers says that consumers can be made, from 6.2 on. Before, only those with
	// pending entries come, with them.
	consumers bool
	// read is the ID up to which entries have been read.
	read id
	// first is the ID of the first entry; none says that there is no entry.
	first id
	none  bool
	// trimmed says that place-holders can only be before the first entry.
	trimmed bool
	// left says that place-holders are to be trimmed at the end.
	left bool
	last [][]byte // XSETID, the last command of all
}

func (s *stream) next(ctx context.Context) (part, error) {
	if !s.begun {
		s.begun = true
		return s.begin(ctx)
	}
	if s.ended {
		return s.end(), nil
	}
	return s.entries(ctx)
}

// begin makes the groups and their consumers.
func (s *stream) begin(ctx context.Context) (part, error) {
	info, err := s.info(ctx, "STREAM")
	if err != nil {
		return part{}, err
	}
	of := fields(info.Array)
	s.last = [][]byte{[]byte("XSETID"), s.temp, of["last-generated-id"].Str}
	if added, ok := of["entries-added"]; ok { // from 7.0 on
		deleted := of["max-deleted-entry-id"].Str
		s.trimmed = string(deleted) == "0-0"
		s.last = append(s.last, []byte("ENTRIESADDED"), decimal(added.Int), []byte("MAXDELETEDID"), deleted)
	}
	if s.none = len(of["first-entry"].Array) == 0; !s.none {
		if s.first, err = parseID(of["first-entry"].Array[0].Str); err != nil {
			return part{}, err
		}
	}
	list, err := s.info(ctx, "GROUPS")
	if err != nil {
		return part{}, err
	}
	var p part
	for _, g := range list.Array {
		of := fields(g.Array)
		name := of["name"].Str
		create := [][]byte{[]byte("XGROUP"), []byte("CREATE"), s.temp, name, of["last-delivered-id"].Str, []byte("MKSTREAM")}
		if read, ok := of["entries-read"]; ok && read.Kind == resp.KindInteger {
			create = append(create, []byte("ENTRIESREAD"), decimal(read.Int))
		}
		p.commands = append(p.commands, create)
		s.groups = append(s.groups, name)
		if !s.consumers {
			continue
		}
		consumers, err := s.info(ctx, "CONSUMERS", name)
		if err != nil {
			return part{}, err
		}
		for _, c := range consumers.Array {
			p.commands = append(p.commands, [][]byte{[]byte("XGROUP"), []byte("CREATECONSUMER"), s.temp, name, fields(c.Array)["name"].Str})
		}
	}
	if len(s.groups) == 0 && s.none { // a stream without anything
		p.commands = [][][]byte{
			{[]byte("XGROUP"), []byte("CREATE"), s.temp, []byte("g"), []byte("0"), []byte("MKSTREAM")},
			{[]byte("XGROUP"), []byte("DESTROY"), s.temp, []byte("g")},
		}
	}
	return p, nil
}

func (s *stream) info(ctx context.Context, what string, more ...[]byte) (resp.Reply, error) {
	return s.one(ctx, append([][]byte{[]byte("XINFO"), []byte(what), s.key}, more...)...)
}

// fields reads names and values in turn.
func fields(words []resp.Reply) map[string]resp.Reply {
	of := make(map[string]resp.Reply, len(words)/2)
	for i := 0; i+1 < len(words); i += 2 {
		of[words[i].Text()] = words[i+1]
	}
	return of
}

// entries reads what is between two IDs: some entries, and what is pending there.
func (s *stream) entries(ctx context.Context) (part, error) {
	n, from, to := s.count(), s.read.next(), maxID
	r, err := s.one(ctx, []byte("XRANGE"), s.key, from.text(), []byte("+"), []byte("COUNT"), decimal(n))
	if err != nil {
		return part{}, err
	}
	adds := make([]entry, 0, len(r.Array))
	bytes := int64(0)
	for _, e := range r.Array {
		if len(e.Array) != 2 {
			return part{}, fmt.Errorf("XRANGE: %w", resp.ErrProtocol)
		}
		at, err := parseID(e.Array[0].Str)
		if err != nil {
			return part{}, err
		}
		bytes += sizeOf(e.Array[1].Array)
		adds = append(adds, entry{id: at, words: e.Array[1].Array})
	}
	s.learn(int64(len(adds)), bytes)
	if int64(len(adds)) == n {
		to = adds[n-1].id
	}
	var claims []claim
	for _, group := range s.groups {
		some, more, err := s.pending(ctx, group, from, to)
		if err != nil {
			return part{}, err
		}
		if claims = append(claims, some...); more {
			to = some[len(some)-1].id
		}
	}
	adds = slices.DeleteFunc(adds, func(e entry) bool { return to.less(e.id) })
	claims = slices.DeleteFunc(claims, func(c claim) bool { return to.less(c.id) })
	s.read, s.ended = to, to == maxID
	read := int64(len(adds))
	for _, c := range claims {
		adds = insert(adds, c.id)
	}
	return part{commands: s.commands(adds, claims), elements: read}, nil
}

// entry is an entry, or a place-holder without words.
type entry struct {
	id    id
	words []resp.Reply
}

// claim is what makes an entry pending.
type claim struct {
	id      id
	command [][]byte
}

// pendingScript: KEYS the stream; ARGV group, first and last ID, count. Idle times mean
// something only together with the clock.
const pendingScript = `local t=redis.call('TIME')
return {t[1]*1000+math.floor(t[2]/1000),redis.call('XPENDING',KEYS[1],ARGV[1],ARGV[2],ARGV[3],ARGV[4])}`

// pending reads some of what is pending between two IDs; more says that there is more.
func (s *stream) pending(ctx context.Context, group []byte, from, to id) (claims []claim, more bool, err error) {
	r, err := s.one(ctx, []byte("EVAL"), []byte(pendingScript), []byte("1"), s.key, group, from.text(), to.text(), decimal(partElements))
	if err != nil {
		return nil, false, err
	}
	if len(r.Array) != 2 {
		return nil, false, fmt.Errorf("XPENDING: %w", resp.ErrProtocol)
	}
	now := r.Array[0].Int
	for _, e := range r.Array[1].Array {
		if len(e.Array) != 4 {
			return nil, false, fmt.Errorf("XPENDING: %w", resp.ErrProtocol)
		}
		at, err := parseID(e.Array[0].Str)
		if err != nil {
			return nil, false, err
		}
		claims = append(claims, claim{at, [][]byte{
			[]byte("XCLAIM"), s.temp, group, e.Array[1].Str, []byte("0"), at.text(), []byte("TIME"), decimal(now - e.Array[2].Int),
			[]byte("RETRYCOUNT"), decimal(e.Array[3].Int), []byte("FORCE"), []byte("JUSTID"),
		}})
	}
	return claims, len(claims) == partElements, nil
}

// insert adds a place-holder where no entry of that ID is.
func insert(adds []entry, at id) []entry {
	i, found := slices.BinarySearchFunc(adds, at, func(e entry, at id) int {
		switch {
		case e.id.less(at):
			return -1
		case at.less(e.id):
			return 1
		}
		return 0
	})
	if found {
		return adds
	}
	return slices.Insert(adds, i, entry{id: at})
}

// commands adds entries, makes them pending, and deletes the place-holders.
func (s *stream) commands(adds []entry, claims []claim) [][][]byte {
	var all, gone [][][]byte
	for _, e := range adds {
		add := [][]byte{[]byte("XADD"), s.temp, e.id.text()}
		for _, word := range e.words {
			add = append(add, word.Str)
		}
		if e.words == nil {
			add = append(add, []byte("f"), []byte("v"))
			if s.trimmed && (s.none || e.id.less(s.first)) {
				s.left = true
			} else {
				gone = append(gone, [][]byte{[]byte("XDEL"), s.temp, e.id.text()})
			}
		}
		all = append(all, add)
	}
	for _, c := range claims {
		all = append(all, c.command)
	}
	return append(all, gone...)
}

// end trims what is left of place-holders and sets the counters.
func (s *stream) end() part {
	p := part{last: true}
	switch {
	case s.left && s.none:
		p.commands = append(p.commands, [][]byte{[]byte("XTRIM"), s.temp, []byte("MAXLEN"), []byte("0")})
	case s.left:
		p.commands = append(p.commands, [][]byte{[]byte("XTRIM"), s.temp, []byte("MINID"), s.first.text()})
	}
	p.commands = append(p.commands, s.last)
	return p
}

// id is an entry's.
type id struct{ ms, seq uint64 }

var maxID = id{1<<64 - 1, 1<<64 - 1}

func parseID(text []byte) (id, error) {
	ms, seq, _ := strings.Cut(string(text), "-")
	var at id
	var err, err2 error
	at.ms, err = strconv.ParseUint(ms, 10, 64)
	at.seq, err2 = strconv.ParseUint(seq, 10, 64)
	if err != nil || err2 != nil {
		return id{}, fmt.Errorf("stream ID %.64q: %w", text, resp.ErrProtocol)
	}
	return at, nil
}

func (i id) less(o id) bool { return i.ms < o.ms || i.ms == o.ms && i.seq < o.seq }

// next is the ID behind this one; that behind the last is the last.
func (i id) next() id {
	switch {
	case i.seq < 1<<64-1:
		i.seq++
	case i.ms < 1<<64-1:
		i.ms, i.seq = i.ms+1, 0
	}
	return i
}

func (i id) text() []byte {
	return strconv.AppendUint(append(strconv.AppendUint(nil, i.ms, 10), '-'), i.seq, 10)
}
