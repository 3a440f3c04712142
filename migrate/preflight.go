package migrate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"codis/migrate/failover"
	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/resp"
)

var (
	// ErrPreflight is returned when a check of a move has failed.
	ErrPreflight = errors.New("not ready to move")
	// errLeftovers is returned when the target has keys of the slots and nobody
	// has agreed to their deletion.
	errLeftovers = errors.New("the target has keys of these slots, which no client can reach; " +
		"they are in the way: delete them, or start the job with consent to delete them")
)

// Result is the outcome of a check.
type Result string

const (
	// ResultOK: nothing is wrong.
	ResultOK Result = "ok"
	// ResultWarn: a person should know; the move begins all the same.
	ResultWarn Result = "warn"
	// ResultFail: the move does not begin.
	ResultFail Result = "fail"
)

// Check is one line of a Report.
type Check struct {
	// From and To are the groups of the move.
	From, To int
	Name     string
	Result   Result
	// Text says what was found, and what to do where that is not clear.
	Text string
}

// Report is the list of what was looked at before a move.
type Report []Check

// Err names the checks that failed; nil when none did.
func (r Report) Err() error {
	var texts []string
	for _, c := range r {
		if c.Result == ResultFail {
			texts = append(texts, c.Name+": "+c.Text)
		}
	}
	if texts == nil {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrPreflight, strings.Join(texts, "; "))
}

// pairMoves are moves between the same groups.
type pairMoves struct {
	from, to int
	moves    []topology.SlotMove
}

// Preflight checks all that a move depends on, and changes nothing but a reserved
// key that expires at once. It is what a dry run shows; each batch is checked
// again before it begins. The error is not a failed check: see Report.Err. Where ctx
// ends while the keys of a target are looked through, that is a warning.
func (c *Controller) Preflight(ctx context.Context, moves []topology.SlotMove) (Report, error) {
	s := c.store.State()
	var pairs []pairMoves
	at := map[[2]int]int{}
	for _, m := range moves {
		key := [2]int{m.From, m.To}
		if _, ok := at[key]; !ok {
			at[key] = len(pairs)
			pairs = append(pairs, pairMoves{from: m.From, to: m.To})
		}
		pairs[at[key]].moves = append(pairs[at[key]].moves, m)
	}
	reports, errs := make([]Report, len(pairs)), make([]error, len(pairs))
	var all sync.WaitGroup
	permits := make(chan struct{}, pairsAtOnce)
	for i, p := range pairs {
		permits <- struct{}{}
		all.Go(func() { // ends with ctx
			defer func() { <-permits }()
			reports[i], errs[i] = c.checkPair(ctx, s, p)
		})
	}
	all.Wait()
	report := slices.Concat(reports...)
	if err := errors.Join(errs...); err != nil {
		return report, err
	}
	// One after the other: each reads the names of all keys of a target.
	for i, p := range pairs {
		if reports[i].Err() != nil {
			continue
		}
		check, err := c.checkLeftovers(ctx, s, p)
		if err != nil {
			return report, err
		}
		report = append(report, check)
	}
	return report, nil
}

// pairsAtOnce is how many pairs of groups are looked at at a time: a server that
// hangs takes as long as a dial may.
const pairsAtOnce = 16

// over says whether a context is at its end, also when it is about to notice.
func over(ctx context.Context) bool {
	end, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(end)
}

// notLooked is the text of a look at a target's keys that was not over in time.
const notLooked = "the target has many keys, and there was no time to look at all of them; that is done before anything moves"

func (c *Controller) checkLeftovers(ctx context.Context, s *topology.State, p pairMoves) (Check, error) {
	check := Check{From: p.from, To: p.to, Name: "keys", Result: ResultOK, Text: "the target has no key of these slots"}
	slots := map[int]bool{}
	for _, i := range (topology.Batch{Ranges: p.moves}).Slots() {
		slots[i] = true
	}
	var found leftovers
	l, err := c.open(ctx, s, p.to)
	if err == nil {
		defer l.close()
		found, err = lookFor(ctx, l, slots)
	}
	switch {
	case found.count > 0:
		count := fmt.Sprint(found.count)
		if err != nil {
			count = "at least " + count
		}
		check.Result, check.Text, err = ResultFail, fmt.Sprintf("%v: %s, for example %s", errLeftovers, count, found.example), nil
	case over(ctx):
		check.Result, check.Text, err = ResultWarn, notLooked, nil
	}
	return check, err
}

// inspection is what is asked of one pair of groups.
type inspection struct {
	state    *topology.State
	pair     pairMoves
	from, to failover.Facts
	report   Report
}

func (i *inspection) add(name string, result Result, format string, args ...any) {
	i.report = append(i.report, Check{From: i.pair.from, To: i.pair.to, Name: name, Result: result, Text: fmt.Sprintf(format, args...)})
}

// checkPair makes all checks but the one for keys at the target, which takes long.
func (c *Controller) checkPair(ctx context.Context, s *topology.State, p pairMoves) (Report, error) {
	i := &inspection{state: s, pair: p}
	for _, id := range []int{p.from, p.to} {
		if _, ok := s.Groups[id]; !ok {
			return nil, fmt.Errorf("there is no group %d", id)
		}
	}
	if !c.inspect(ctx, i) {
		return i.report, ctx.Err()
	}
	from, err := c.open(ctx, s, p.from)
	if err != nil {
		return nil, err
	}
	defer from.close()
	to, err := c.open(ctx, s, p.to)
	if err != nil {
		return nil, err
	}
	defer to.close()
	for _, check := range []func(context.Context, *link, *link) error{i.format, i.modules, i.databases, i.memory, i.clocks, i.persistence, i.clients} {
		if err := check(ctx, from, to); err != nil {
			return i.report, err
		}
	}
	return i.report, nil
}

// inspect looks at every server of both groups: roles, links, versions.
func (c *Controller) inspect(ctx context.Context, i *inspection) bool {
	ok := true
	fail := func(format string, args ...any) { ok = false; i.add("servers", ResultFail, format, args...) }
	var members []failover.Facts
	for _, id := range []int{i.pair.from, i.pair.to} {
		g := i.state.Groups[id]
		for _, server := range g.Servers {
			f, err := failover.Inspect(ctx, failover.TargetFor(i.state, id, server.Addr))
			switch {
			case err != nil:
				fail("group %d: %v", id, err)
			case server.Addr == g.Master && f.Role != failover.RoleMaster:
				fail("group %d: %s is to be the master and is a %s", id, f.Addr, f.Role)
			case server.Addr != g.Master && (f.Role != failover.RoleReplica || !f.LinkUp):
				fail("group %d: replica %s does not follow; every batch waits for all replicas: repair it or detach it", id, f.Addr)
			}
			if server.Addr == g.Master && id == i.pair.from {
				i.from = f
			} else if server.Addr == g.Master {
				i.to = f
			}
			if id == i.pair.to {
				members = append(members, f)
			}
		}
	}
	if !ok {
		return false
	}
	i.add("servers", ResultOK, "masters are masters, %d replicas follow", len(i.state.Groups[i.pair.from].Servers)+len(members)-2)
	source, _ := failover.ParseVersion(i.from.Version)
	for _, f := range members {
		if v, _ := failover.ParseVersion(f.Version); v.Major < source.Major || v.Major == source.Major && v.Minor < source.Minor {
			i.add("versions", ResultWarn, "%s (%s) is older than the source (%s): values in newer formats are refused by it",
				f.Addr, f.VersionText(), i.from.VersionText())
		}
	}
	return true
}

// giveProbe leaves nothing behind, also when two do it at a time.
const giveProbe = `redis.call('PERSIST',KEYS[1]) redis.call('SET',KEYS[1],'1','PX',2000) local d=redis.call('DUMP',KEYS[1]) redis.call('DEL',KEYS[1]) return d`

// format gives the target a value of the source.
func (i *inspection) format(ctx context.Context, from, to *link) error {
	dump, err := from.one(ctx, "EVAL", giveProbe, "1", fence.ProbeKey)
	if se := (*resp.ServerError)(nil); errors.As(err, &se) {
		i.add("format", ResultFail, "%s does not give values: %v", from.addr, se)
		return nil
	} else if err != nil {
		return err
	}
	// No script: servers before 7.0 hide the code of an error inside one.
	_, err = to.one(ctx, "RESTORE", fence.ProbeKey, "2000", dump.Text(), "REPLACE")
	if err == nil {
		_, err = to.one(ctx, "DEL", fence.ProbeKey)
	}
	if se := (*resp.ServerError)(nil); errors.As(err, &se) && se.Code == "OOM" {
		i.add("format", ResultWarn, "not tried: %s is full", to.addr)
		return nil
	} else if errors.As(err, &se) {
		i.add("format", ResultFail, "%s does not take values of %s: %v", to.addr, from.addr, se)
		return nil
	} else if err != nil {
		return err
	}
	i.add("format", ResultOK, "%s reads values of %s", to.addr, from.addr)
	return nil
}

// modules: a value of a module's type can't be read without it.
func (i *inspection) modules(ctx context.Context, from, to *link) error {
	list := func(l *link) (map[string]bool, bool, error) {
		l.request("MODULE", "LIST")
		frames, err := l.do(ctx, 1)
		if err != nil {
			return nil, false, err
		}
		r, _, err := resp.ParseReply(frames[0])
		names := map[string]bool{}
		for _, e := range r.Array {
			for j := 0; j+1 < len(e.Array); j += 2 {
				if e.Array[j].Text() == "name" {
					names[e.Array[j+1].Text()] = true
				}
			}
		}
		return names, err == nil && r.Err() == nil, nil
	}
	has, known, err := list(from)
	if err != nil {
		return err
	}
	target, knownTo, err := list(to)
	if err != nil {
		return err
	}
	if !known || !knownTo {
		i.add("modules", ResultWarn, "a server does not tell its modules")
		return nil
	}
	var missing []string
	for name := range has {
		if !target[name] {
			missing = append(missing, name)
		}
	}
	if missing != nil {
		i.add("modules", ResultFail, "%s lacks %s", to.addr, strings.Join(missing, ", "))
		return nil
	}
	i.add("modules", ResultOK, "%d at the source, none is missing at the target", len(has))
	return nil
}

func (i *inspection) databases(_ context.Context, _, to *link) error {
	highest := 0
	for db := range i.from.Keys {
		highest = max(highest, db)
	}
	switch {
	case i.to.Databases == 0:
		i.add("databases", ResultWarn, "%s does not tell how many it has; the source uses %d", to.addr, highest+1)
	case i.to.Databases <= highest:
		i.add("databases", ResultFail, "%s has %d, the source uses number %d", to.addr, i.to.Databases, highest)
	default:
		i.add("databases", ResultOK, "the source uses %d, %s has %d", highest+1, to.addr, i.to.Databases)
	}
	return nil
}

// memory compares what the target has left with 1.2 times the slots' share.
func (i *inspection) memory(ctx context.Context, from, to *link) error {
	infos := map[*link]map[string]string{}
	for _, l := range []*link{from, to} {
		r, err := l.one(ctx, "INFO", "memory")
		if err != nil {
			return err
		}
		infos[l] = resp.ParseInfo(r.Text())
	}
	number := func(l *link, name string) float64 { n, _ := strconv.ParseFloat(infos[l][name], 64); return n }
	owned, moving := 0, len(topology.Batch{Ranges: i.pair.moves}.Slots())
	for _, slot := range i.state.Slots {
		if slot.Group == i.pair.from {
			owned++
		}
	}
	dataset := number(from, "used_memory") - number(from, "used_memory_startup")
	share := 1.2 * dataset * float64(moving) / float64(max(owned, moving, 1))
	limit, used := number(to, "maxmemory"), number(to, "used_memory")
	policy := infos[to]["maxmemory_policy"]
	if source := infos[from]["maxmemory_policy"]; number(from, "maxmemory") > 0 && strings.HasPrefix(source, "allkeys-") {
		i.add("eviction", ResultWarn, "%s evicts any key when it is full (%s), also the fences of the move: keys of the slots wait then until they are set again; a maxmemory-policy of volatile-* or noeviction while slots move keeps them", from.addr, source)
	}
	size := func(n float64) string { return fmt.Sprintf("%.1f MB", max(n, 0)/(1<<20)) }
	switch {
	case limit > 0 && limit-used < share:
		i.add("memory", ResultFail, "%s has %s left below its maxmemory, the slots need about %s: raise maxmemory", to.addr, size(limit-used), size(share))
	case limit > 0 && strings.HasPrefix(policy, "allkeys-"):
		i.add("memory", ResultWarn, "%s evicts any key when it is full (%s), also the sets that know what has moved: the job stops then until somebody says FORCE; a maxmemory-policy of volatile-* or noeviction while slots move keeps them; %s are left", to.addr, policy, size(limit-used))
	case limit > 0:
		i.add("memory", ResultOK, "%s left, about %s needed", size(limit-used), size(share))
	case number(to, "total_system_memory") > 0 && number(to, "total_system_memory")-used < share:
		i.add("memory", ResultFail, "the host of %s has %s of memory, the slots need about %s", to.addr, size(number(to, "total_system_memory")), size(share))
	default:
		i.add("memory", ResultOK, "no maxmemory; about %s needed", size(share))
	}
	return nil
}

// maxSkew is how far clocks may be apart: TTLs travel as absolute times.
const maxSkew = time.Second

func (i *inspection) clocks(ctx context.Context, from, to *link) error {
	read := func(l *link) (time.Duration, error) {
		began := time.Now()
		r, err := l.one(ctx, "TIME")
		if err != nil || len(r.Array) != 2 {
			return 0, err
		}
		seconds, _ := strconv.ParseInt(r.Array[0].Text(), 10, 64)
		micros, _ := strconv.ParseInt(r.Array[1].Text(), 10, 64)
		return time.Unix(seconds, micros*1000).Sub(began.Add(time.Since(began) / 2)), nil
	}
	a, err := read(from)
	if err != nil {
		return err
	}
	b, err := read(to)
	if err != nil {
		return err
	}
	if skew := (a - b).Abs(); skew >= maxSkew {
		i.add("clocks", ResultFail, "the servers' clocks are %s apart, keys would expire at other times: set them right", skew.Round(time.Millisecond))
	} else {
		i.add("clocks", ResultOK, "%s apart", skew.Round(time.Millisecond))
	}
	return nil
}

func (i *inspection) persistence(ctx context.Context, _, to *link) error {
	to.request("CONFIG", "GET", "save")
	to.request("CONFIG", "GET", "appendonly")
	frames, err := to.do(ctx, 2)
	if err != nil {
		return err
	}
	value := func(frame []byte) string {
		if r, _, err := resp.ParseReply(frame); err == nil && len(r.Array) == 2 {
			return r.Array[1].Text()
		}
		return ""
	}
	replicas := len(i.state.Groups[i.pair.to].Servers) - 1
	save, appendOnly := value(frames[0]), value(frames[1]) == "yes"
	disk, err := waitsForDisk(ctx, to)
	switch {
	case err != nil:
		return err
	case replicas == 0 && !appendOnly && save == "":
		i.add("persistence", ResultWarn, "%s writes nothing to disk and has no replica: what moves there is in one place only; "+
			"attach a replica, or CONFIG SET appendonly yes", to.addr)
	case replicas == 0 && !appendOnly:
		i.add("persistence", ResultWarn, "%s has no replica and writes to disk from time to time (save %q): if it crashes, keys that have moved "+
			"since are lost; attach a replica, or CONFIG SET appendonly yes", to.addr, save)
	case disk:
		i.add("persistence", ResultOK, "replicas: %d, appendonly; a key is deleted at the source once the target's disk has it", replicas)
	case appendOnly:
		i.add("persistence", ResultOK, "replicas: %d, appendonly; %s can't tell when its disk has a key (WAITAOF, from 7.2 on)", replicas, to.addr)
	default:
		i.add("persistence", ResultOK, "replicas: %d, save %q", replicas, save)
	}
	return nil
}

// clients: what a node that fell silent has sent is waited for by ending its
// connections, so that must be allowed before anything is held.
func (i *inspection) clients(ctx context.Context, from, to *link) error {
	for _, l := range []*link{from, to} {
		l.request("CLIENT", "LIST", "TYPE", "replica")
		l.request("CLIENT", "KILL", "ID", strconv.FormatInt(math.MaxInt64, 10)) // nobody's
		frames, err := l.do(ctx, 2)
		if err != nil {
			return err
		}
		for _, frame := range frames {
			if resp.IsError(frame) {
				i.add("clients", ResultFail, "%s does not let us end connections of silent nodes, allow CLIENT LIST and CLIENT KILL: %.80q", l.addr, frame)
				return nil
			}
		}
	}
	i.add("clients", ResultOK, "connections of silent nodes can be ended")
	return nil
}
