package migrate

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/resp"
)

// smallBig makes keys big that tests can make quickly.
func (c *cluster) smallBig(elements int) {
	c.tb.Helper()
	c.store.must(topology.SettingSet{Name: "migrate-big-elements", Value: strconv.Itoa(elements)})
	c.store.must(topology.SettingSet{Name: "migrate-big-bytes", Value: "1mb"})
}

// fillBig makes sets of n members in databases 0 and 7, beside a few small keys.
func (c *cluster) fillBig(sets, n int) map[string]string {
	c.tb.Helper()
	client := c.master(1).Client(c.tb)
	for _, db := range []string{"0", "7"} {
		must(c.tb, client, "SELECT", db)
		for i := range sets {
			must(c.tb, client, "EVAL", "for i=1,ARGV[1] do redis.call('SADD',KEYS[1],'member'..i) end return 1", "1", fmt.Sprint("big:", i), strconv.Itoa(n))
			must(c.tb, client, "SET", fmt.Sprint("small:", i), "v")
		}
	}
	return contents(c.tb, c.master(1))
}

// reserved are the names of the reserved keys of a group, by their kind.
func (c *cluster) reserved(group int) map[fence.Kind]int {
	c.tb.Helper()
	found, client := map[fence.Kind]int{}, c.master(group).Client(c.tb)
	for db := range 16 {
		must(c.tb, client, "SELECT", strconv.Itoa(db))
		for _, key := range must(c.tb, client, "KEYS", fence.Prefix+"*").Strings() {
			r, _ := fence.ParseKey([]byte(key))
			found[r.Kind]++
		}
	}
	return found
}

// TestK_BigKeysOfAllTypesMove there and back, replicas included, with the small ones.
func TestK_BigKeysOfAllTypesMove(t *testing.T) {
	t.Parallel()
	c := newCluster(t, layout{groups: 2, replicas: 1})
	c.assign(1)
	c.smallBig(10)
	leader := c.lead()
	fillTypes(t, c.master(1))
	want := contents(t, c.master(1))
	bytes := int64(0)
	for _, pair := range [][2]int{{1, 2}, {2, 1}} {
		job := c.migrate(topology.JobOptions{}, c.all(pair[0], pair[1]))
		waitFor(t, "progress", func() bool { p, _ := leader.Live(job); bytes = max(bytes, p.Bytes); return c.job(job).State.Finished() })
		checkSame(t, "source", contents(t, c.master(pair[0])), nil)
		checkSame(t, "target", contents(t, c.master(pair[1])), want)
	}
	if bytes < 5<<20 { // the largest one
		t.Errorf("progress shows %d bytes", bytes)
	}
	waitFor(t, "replica in step", func() bool {
		r, err := c.master(1).Client(t).Do(t.Context(), "INFO", "replication")
		return err == nil && strings.Contains(r.Text(), "offset="+resp.ParseInfo(r.Text())["master_repl_offset"])
	})
	checkSame(t, "replica", contents(t, c.servers[1][1]), want)
}

// slowBig starts a move of which each big key takes about a second, and waits until the
// first is being copied.
func (c *cluster) slowBig(leader *controller) (job uint64) {
	c.tb.Helper()
	job = c.migrate(topology.JobOptions{BytesPerSecond: 200_000}, c.all(1, 2))
	waitFor(c.tb, "copy of a big key", func() bool { return c.reserved(2)[fence.KindCopy] == 1 })
	waitFor(c.tb, "reason", func() bool { return strings.Contains(c.job(job).Reason, "big key") })
	return job
}

// TestK_PauseAndKillInTheMiddle: nothing of a copy stays behind, and the next attempt
// moves the key.
func TestK_PauseAndKillInTheMiddle(t *testing.T) {
	t.Parallel()
	c := newCluster(t, layout{groups: 2})
	c.assign(1)
	c.smallBig(1000)
	c.store.must(topology.SettingSet{Name: "migrate-batch-slots", Value: "1024"})
	want := c.fillBig(2, 20_000)
	leader := c.lead()
	job := c.slowBig(leader)
	c.store.must(topology.JobSetState{ID: job, State: topology.JobPaused})
	waitFor(t, "end of the copy", func() bool { r := c.reserved(2); return r[fence.KindCopy]+r[fence.KindCopies] == 0 })
	if n := must(t, c.master(1).Client(t), "EXISTS", "big:0", "big:1").Int; n == 0 {
		t.Error("the big keys are gone from the source in a pause")
	}
	c.store.must(topology.JobSetState{ID: job, State: topology.JobRunning})
	waitFor(t, "copy of a big key", func() bool { return c.reserved(2)[fence.KindCopy] == 1 })
	leader.stop()
	// As if it had been killed: what it would have removed is there.
	client := c.master(2).Client(t)
	epoch := c.job(job).Batches[0].Epoch
	dead := string(fence.AppendCopyKey(nil, topology.SlotOf([]byte("big:0")), epoch, 7))
	must(t, client, "SADD", dead, "part")
	must(t, client, "SADD", fmt.Sprintf("%scopies:%d", fence.Prefix, epoch), dead)
	c.lead()
	c.waitDone(job, 60*time.Second)
	c.forgetWaits()
	checkSame(t, "source", contents(t, c.master(1)), nil)
	checkSame(t, "target", contents(t, c.master(2)), want)
}

// TestK_WantedKeysComeFirst: a request waits for the last of many.
func TestK_WantedKeysComeFirst(t *testing.T) {
	t.Parallel()
	c := newCluster(t, layout{groups: 2})
	c.assign(1)
	c.smallBig(100)
	c.store.must(topology.SettingSet{Name: "migrate-batch-slots", Value: "1024"})
	c.fillBig(20, 6000)
	leader := c.lead()
	job := c.slowBig(leader)
	epoch := c.job(job).Batches[0].Epoch
	client := c.master(2).Client(t)
	must(t, client, "SELECT", "7")
	left := ""
	for i := range 20 {
		key := fmt.Sprint("big:", i)
		if must(t, client, "EXISTS", key).Int == 0 {
			left = key
		}
	}
	must(t, client, "SADD", fmt.Sprintf("%swanted:%d", fence.Prefix, epoch), left)
	waitFor(t, left, func() bool { return must(t, client, "EXISTS", left).Int == 1 })
	moved := int64(0)
	for _, db := range []string{"0", "7"} {
		must(t, client, "SELECT", db)
		for i := range 20 {
			moved += must(t, client, "EXISTS", fmt.Sprint("big:", i)).Int
		}
	}
	if moved > 10 {
		t.Errorf("it came as number %d of 40", moved)
	}
	waitFor(t, "end of the wish", func() bool { return c.reserved(2)[fence.KindWanted] == 0 })
	c.store.must(topology.JobSetState{ID: job, State: topology.JobPaused})
}

// TestK_RefusedBigKeys: the reason is shown, all others move, and it goes on when the
// target takes them.
func TestK_RefusedBigKeys(t *testing.T) {
	t.Parallel()
	c := newCluster(t, layout{groups: 2})
	c.assign(1)
	c.smallBig(1000)
	c.store.must(topology.SettingSet{Name: "migrate-batch-slots", Value: "1024"})
	must(t, c.master(1).Client(t), "EVAL", "for i=1,5000 do redis.call('ZADD','scores',i,'m'..i) end return 1", "0")
	want := c.fillBig(2, 5000)
	target := c.master(2).Client(t)
	must(t, target, "ACL", "SETUSER", "default", "-zadd")
	c.lead()
	job := c.migrate(topology.JobOptions{}, c.all(1, 2))
	waitFor(t, "reason", func() bool { return strings.Contains(c.job(job).Reason, "refuses") })
	waitFor(t, "end of the others", func() bool {
		return must(t, c.master(1).Client(t), "DBSIZE").Int == 2 // and the fence
	})
	must(t, target, "ACL", "SETUSER", "default", "+zadd")
	c.waitDone(job, 60*time.Second)
	checkSame(t, "source", contents(t, c.master(1)), nil)
	checkSame(t, "target", contents(t, c.master(2)), want)
}
