package migrate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/resp"
)

// node is what a router does, made small: it works by a table, drains before it
// takes the next one, lets requests of held slots wait, and fetches keys of moving
// slots.
type node struct {
	id    string
	store *memStore

	mu    sync.RWMutex // read-locked while a request is under way
	state *topology.State
}

func newNode(tb testing.TB, id string, store *memStore) *node {
	n := &node{id: id, store: store, state: store.State()}
	store.ack(id, n.state.Epoch)
	changed, unsubscribe := store.Subscribe()
	stop := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		for {
			select {
			case <-changed:
			case <-stop:
				return
			}
			s := store.State()
			n.mu.Lock()
			n.state = s
			n.mu.Unlock()
			store.ack(id, s.Epoch)
		}
	})
	tb.Cleanup(func() { close(stop); done.Wait(); unsubscribe() })
	return n
}

// user is one client of a node, with connections of its own.
type user struct {
	tb    testing.TB
	n     *node
	rng   *rand.Rand
	conns map[string]*resp.Client
	model map[string]string // what each of its keys must be; "" for no key
	held  time.Duration     // the longest wait
}

func newUser(tb testing.TB, n *node, seed uint64) *user {
	return &user{tb: tb, n: n, rng: rand.New(rand.NewPCG(seed, 1)), conns: map[string]*resp.Client{}, model: map[string]string{}}
}

func (u *user) conn(group, db int) *resp.Client {
	key := fmt.Sprint(u.n.state.Groups[group].Master, "/", db)
	c := u.conns[key]
	if c == nil {
		var err error
		c, err = resp.Dial(context.Background(), resp.ClientOptions{
			Addr: u.n.state.Groups[group].Master, DB: db, Name: "codis:" + u.n.id, Timeout: 20 * time.Second})
		if err != nil {
			u.tb.Fatal(err)
		}
		u.conns[key] = c
	}
	return c
}

func (u *user) close() {
	for _, c := range u.conns {
		c.Close()
	}
}

// do is one request of one key.
func (u *user) do(db int, key string, args ...string) (resp.Reply, error) {
	began := time.Now()
	slot := topology.SlotOf([]byte(key))
	for {
		reply, ok, err := u.try(slot, db, key, args)
		if ok || err != nil {
			u.held = max(u.held, time.Since(began))
			return reply, err
		}
		if time.Since(began) > 20*time.Second {
			return reply, fmt.Errorf("slot %d is held for ever: %+v", slot, u.n.store.State().Slots[slot])
		}
		time.Sleep(time.Millisecond) // until the table changes
	}
}

func (u *user) try(slot, db int, key string, args []string) (_ resp.Reply, ok bool, err error) {
	u.n.mu.RLock()
	defer u.n.mu.RUnlock()
	s := u.n.state.Slots[slot]
	if u.n.state.OnHold(slot) {
		return resp.Reply{}, false, nil
	}
	switch s.Phase {
	case topology.PhaseServing:
		r, err := u.conn(s.Group, db).Do(context.Background(), args...)
		return r, true, err
	case topology.PhaseMigrating:
		if ok, err := u.fetch(s, slot, db, key); !ok {
			return resp.Reply{}, false, err
		}
		r, err := u.conn(s.Target, db).Do(context.Background(), args...)
		return r, true, err
	}
	return resp.Reply{}, false, nil
}

// fetch brings a key to where its slot goes.
func (u *user) fetch(s topology.Slot, slot, db int, key string) (bool, error) {
	from, to := u.conn(s.Group, db), u.conn(s.Target, db)
	moved, err := fence.ParseMember(u.raw(to, fence.AppendMember(nil, slot, s.Epoch, []byte(key))))
	if err != nil || moved {
		return moved, err
	}
	gate := fence.AppendGate(nil, s.Epoch, []byte(key), bigLimits(u.n.state))
	if s.Reverse {
		gate = fence.AppendGateBack(nil, slot, s.Epoch, []byte(key))
	}
	v, err := fence.ParseGate(u.raw(from, gate))
	if err != nil || v.Kind != fence.GateValue && v.Kind != fence.GateGone {
		return v.Kind == fence.GateAbsent, err
	}
	if u.rng.IntN(8) == 0 {
		time.Sleep(time.Duration(u.rng.IntN(5)) * time.Millisecond) // late, as networks make one
	}
	restore := fence.AppendRestore(nil, slot, s.Epoch, []byte(key), v.TTL, v.Dump)
	if v.Kind == fence.GateGone {
		restore = fence.AppendRemove(nil, slot, s.Epoch, []byte(key))
	} else if v.Replaces {
		restore = fence.AppendReplace(nil, slot, s.Epoch, []byte(key), v.TTL, v.Dump)
	}
	result, err := fence.ParseRestore(u.raw(to, restore))
	return result > fence.RestoreFenced, err
}

func (u *user) raw(c *resp.Client, request []byte) []byte {
	var s resp.Scanner
	if _, err := s.Next(request); err != nil {
		u.tb.Error(err)
	}
	r, err := c.DoBytes(context.Background(), s.Args()...)
	if se := (*resp.ServerError)(nil); err != nil && !errors.As(err, &se) {
		u.tb.Error(err)
	}
	return appendReply(nil, r)
}

func appendReply(dst []byte, r resp.Reply) []byte {
	switch r.Kind {
	case resp.KindSimple:
		return resp.AppendSimple(dst, string(r.Str))
	case resp.KindError:
		return resp.AppendError(dst, string(r.Str))
	case resp.KindInteger:
		return resp.AppendInt(dst, r.Int)
	case resp.KindBulk:
		return resp.AppendBulk(dst, r.Str)
	case resp.KindArray:
		dst = resp.AppendArray(dst, len(r.Array))
		for _, e := range r.Array {
			dst = appendReply(dst, e)
		}
		return dst
	}
	return resp.AppendNil(dst)
}

// step does one random request on one of the user's own keys, and compares.
func (u *user) step(name string, keys int) {
	i := u.rng.IntN(keys)
	key, db := name+":"+strconv.Itoa(i), (i%3)*7
	id := strconv.Itoa(db) + "/" + key
	want := u.model[id]
	check := func(r resp.Reply, err error, want string) {
		if err != nil || r.Text() != want {
			u.tb.Errorf("%s: %q %v, want %q; slot %+v", id, r.Text(), err, want, u.n.store.State().Slots[topology.SlotOf([]byte(key))])
		}
	}
	switch u.rng.IntN(6) {
	case 0, 1:
		r, err := u.do(db, key, "GET", key)
		check(r, err, want)
	case 2:
		value := strconv.FormatUint(u.rng.Uint64(), 36)
		r, err := u.do(db, key, "EVAL", setUntil, "1", key, value, strconv.Itoa(4_000_000_000_000+i))
		check(r, err, "OK")
		u.model[id] = value
	case 3:
		r, err := u.do(db, key, "APPEND", key, "+")
		check(r, err, strconv.Itoa(len(want)+1))
		u.model[id] = want + "+"
	case 4:
		r, err := u.do(db, key, "DEL", key)
		check(r, err, map[bool]string{true: "1", false: "0"}[want != ""])
		delete(u.model, id)
	case 5:
		r, err := u.do(db, key, "EXISTS", key)
		check(r, err, map[bool]string{true: "1", false: "0"}[want != ""])
	}
}

// setUntil sets a key with an absolute expiry, on servers before 6.2 too.
const setUntil = `local ok = redis.call('SET', KEYS[1], ARGV[1]); redis.call('PEXPIREAT', KEYS[1], ARGV[2]); return ok`
