package trial

import (
	"context"
	"math/rand/v2"
	"regexp"
	"strconv"
	"time"

	"codis/router/resp"
)

// promoteTimeout is longer than a switchover may take: a barrier that waits for the
// lease of a node that has died, and a replica that has to catch up.
const promoteTimeout = 30 * time.Second

var waited = regexp.MustCompile(`requests waited (\d+) ms`)

// runSwitchovers makes replicas masters, as an operator does, until ctx ends.
func (t *trial) runSwitchovers(ctx context.Context) {
	r := rand.New(rand.NewPCG(t.opt.Seed, 3000))
	for t.opt.SwitchEvery > 0 {
		pause(ctx, between(r, t.opt.SwitchEvery/2, t.opt.SwitchEvery*3/2))
		if ctx.Err() != nil {
			return
		}
		t.switchOver(ctx, 1+r.IntN(t.opt.Groups), r.Uint64())
	}
}

func (t *trial) switchOver(ctx context.Context, group int, pick uint64) {
	to := t.site.replica(ctx, group, pick)
	node := t.site.nodes[pick>>8%uint64(len(t.site.nodes))]
	begin := t.rec.now()
	reply, err := t.promote(ctx, node, group, to)
	end := t.rec.now()
	if err != nil {
		t.rec.count("switchovers refused")
		t.rec.event("switchover of group %d to %s by %s: %v", group, to.name, node.name, err)
		return
	}
	t.rec.count("switchover")
	t.load.waits.during("switchover", begin, end)
	for _, note := range reply.Strings() {
		if m := waited.FindStringSubmatch(note); m != nil {
			ms, _ := strconv.ParseInt(m[1], 10, 64)
			t.pause(ms)
		}
	}
	t.rec.event("switchover of group %d to %s: %v", group, to.name, reply.Strings())
}

// pause notes how long the cluster says that requests waited.
func (t *trial) pause(ms int64) {
	t.pausesMu.Lock()
	defer t.pausesMu.Unlock()
	t.pauses = append(t.pauses, ms*int64(time.Millisecond))
}

func (t *trial) promote(ctx context.Context, node *member, group int, to *member) (resp.Reply, error) {
	c, err := resp.Dial(ctx, resp.ClientOptions{Addr: node.addr, DialTimeout: adminTimeout, Timeout: promoteTimeout})
	if err != nil {
		return resp.Reply{}, err
	}
	defer c.Close()
	return c.Do(ctx, "CODIS.GROUP", "PROMOTE", strconv.Itoa(group), to.seen)
}
