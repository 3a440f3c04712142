package migrate

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"codis/migrate/failover"
	"codis/raftstore/topology"
	"codis/router/resp"
	"codis/router/resp/resptest"
)

func (c *cluster) fill(group, keys int) map[string]string {
	c.tb.Helper()
	client := c.master(group).Client(c.tb)
	for i := range keys {
		must(c.tb, client, "SET", fmt.Sprintf("key:%d", i), fmt.Sprint(i))
	}
	return contents(c.tb, c.master(group))
}

func (c *cluster) all(from, to int) topology.SlotMove {
	return topology.SlotMove{Start: 0, End: topology.SlotCount - 1, From: from, To: to}
}

// deletedUnreplicated stops the target's replica in the middle of a move, and says
// how many keys are deleted at the source while it stands. Then it lets the move end.
func deletedUnreplicated(t *testing.T, mutant mutant) int64 {
	t.Helper()
	c := newCluster(t, layout{groups: 2, replicas: 1})
	c.assign(1)
	want := c.fill(1, 2000)
	c.store.must(topology.SettingSet{Name: "migrate-keys-per-second", Value: "1000"})
	leader := c.leadMutant(mutant)
	job := c.migrate(topology.JobOptions{}, c.all(1, 2))
	waitFor(t, "first keys at the target", func() bool { p, _ := leader.Live(job); return p.Keys > 100 })
	c.servers[2][1].Pause(t)
	if mutant == 0 {
		waitFor(t, "reason", func() bool { return strings.Contains(c.job(job).Reason, "nothing is deleted") })
	}
	before := must(t, c.master(1).Client(t), "DBSIZE").Int
	time.Sleep(700 * time.Millisecond) // more than one WAIT
	deleted := before - must(t, c.master(1).Client(t), "DBSIZE").Int
	c.store.must(topology.SettingSet{Name: "migrate-keys-per-second", Value: "0"})
	c.servers[2][1].Continue(t)
	c.waitDone(job, 30*time.Second)
	checkSame(t, "source", contents(t, c.master(1)), nil)
	checkSame(t, "target", contents(t, c.master(2)), want)
	return deleted
}

func TestM6_NothingIsDeletedBeforeReplicasHaveIt(t *testing.T) {
	if n := deletedUnreplicated(t, 0); n != 0 {
		t.Errorf("%d keys were deleted at the source while the target's replica had nothing", n)
	}
}

func TestMutant_WaitIsNeeded(t *testing.T) {
	if n := deletedUnreplicated(t, mutantNoWait); n <= 0 {
		t.Errorf("%d keys were deleted, the test would not notice", n)
	}
}

// TestMutant_WaitOnTheSameConnection: before Redis 7.2 every connection's WAIT speaks
// for all that was written when its last command ran.
func TestMutant_WaitOnTheSameConnection(t *testing.T) {
	info := resp.ParseInfo(must(t, resptest.StartRedis(t).Client(t), "INFO", "server").Text())
	if v, ok := failover.ParseVersion(info["redis_version"]); !ok || v.Major < 7 || v.Major == 7 && v.Minor < 2 {
		t.Skipf("this server is %s, the mutant does harm from 7.2 on", info["redis_version"])
	}
	if n := deletedUnreplicated(t, mutantWaitElsewhere); n <= 0 {
		t.Errorf("%d keys were deleted, the test would not notice", n)
	}
}

// TestM8_PauseResumeCancel stops a move in the middle, goes on, and turns back.
func TestM8_PauseResumeCancel(t *testing.T) {
	c := newCluster(t, layout{groups: 2})
	c.assign(1)
	want := c.fill(1, 6000) // 1500 in the first batch: it is under way when it is cancelled
	leader := c.lead()
	job := c.migrate(topology.JobOptions{KeysPerSecond: 1500}, c.all(1, 2))
	began := time.Now()
	waitFor(t, "progress", func() bool { p, _ := leader.Live(job); return p.Keys > 600 })
	if took := time.Since(began); took < 250*time.Millisecond {
		t.Errorf("600 keys in %v, at 1500 a second", took)
	}
	c.store.must(topology.JobSetState{ID: job, State: topology.JobPaused})
	keys := func() int64 { return must(t, c.master(1).Client(t), "DBSIZE").Int }
	still := func() bool { a := keys(); time.Sleep(150 * time.Millisecond); return keys() == a }
	waitFor(t, "pause", still)
	if j := c.job(job); j.State != topology.JobPaused || j.Batches[0].Phase != topology.BatchMigrating {
		t.Fatalf("job %+v", j)
	}
	c.store.must(topology.JobSetState{ID: job, State: topology.JobRunning})
	a := keys()
	waitFor(t, "more progress", func() bool { return keys() < a })
	c.store.must(topology.JobSetState{ID: job, State: topology.JobCancelling})
	waitFor(t, "end of all jobs", func() bool {
		for _, j := range c.store.State().Jobs {
			if !j.State.Finished() {
				return false
			}
		}
		return true
	})
	got := contents(t, c.master(1))
	for key, value := range contents(t, c.master(2)) {
		got[key] = value
	}
	if s := c.store.State(); s.Slots[0].Group != 1 || len(s.Jobs) != 1 || c.job(job).State != topology.JobCancelled {
		t.Errorf("slot 0 is at group %d, %d jobs", s.Slots[0].Group, len(s.Jobs))
	}
	checkSame(t, "both", got, want)
}

// TestL4_SilentNodesAreCutOff: their connections end before the slots migrate.
func TestL4_SilentNodesAreCutOff(t *testing.T) {
	c := newCluster(t, layout{groups: 2})
	c.assign(1)
	silent, err := resp.Dial(t.Context(), resp.ClientOptions{Addr: c.master(1).Addr, Name: "codis:dead"})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	other := c.master(1).Client(t)
	must(t, other, "CLIENT", "SETNAME", "codis:dead2")
	c.store.barrier = func(uint64) []topology.Node { return []topology.Node{{ID: "dead"}} }
	c.lead()
	job := c.migrate(topology.JobOptions{}, topology.SlotMove{Start: 1, End: 2, From: 1, To: 2})
	c.waitDone(job, 20*time.Second)
	if _, err := silent.Do(t.Context(), "PING"); err == nil {
		t.Error("the silent node's connection lives")
	}
	must(t, other, "PING")
}

// TestL5_HoldIsReleased: a node that never acknowledges does not hold slots for ever.
func TestL5_HoldIsReleased(t *testing.T) {
	c := newCluster(t, layout{groups: 2})
	c.store.must(topology.SettingSet{Name: "lease-renew", Value: "50ms"})
	c.store.must(topology.SettingSet{Name: "lease", Value: "100ms"})
	c.assign(1)
	want := c.fill(1, 50)
	s := c.store.State()
	c.store.ack("n2", s.Epoch+1) // up to date now, silent from the hold on
	c.lead()
	job := c.migrate(topology.JobOptions{}, c.all(1, 2))
	waitFor(t, "reason", func() bool { return strings.Contains(c.job(job).Reason, "n2") })
	waitFor(t, "release", func() bool { return c.store.State().Slots[0].Phase == topology.PhaseServing })
	c.store.ack("n2", 1<<60)
	c.waitDone(job, 30*time.Second)
	checkSame(t, "target", contents(t, c.master(2)), want)
	checkSame(t, "source", contents(t, c.master(1)), nil)
}

// afterLoss empties the target in the middle of a move, and says how many keys are
// deleted at the source after that, and how many the target has in the end.
func afterLoss(t *testing.T, mutant mutant) (deleted, restored int64) {
	t.Helper()
	c := newCluster(t, layout{groups: 2})
	c.assign(1)
	c.fill(1, 2000)
	leader := c.leadMutant(mutant)
	job := c.migrate(topology.JobOptions{KeysPerSecond: 1000}, c.all(1, 2))
	waitFor(t, "progress", func() bool { p, _ := leader.Live(job); return p.Keys > 100 })
	must(t, c.master(2).Client(t), "FLUSHALL")
	waitFor(t, "reason", func() bool { return strings.Contains(c.job(job).Reason, "reserved keys are gone") })
	left := must(t, c.master(1).Client(t), "DBSIZE").Int
	size := func() int64 { return must(t, c.master(1).Client(t), "DBSIZE").Int }
	if mutant != 0 {
		waitFor(t, "harm done by the mutant", func() bool { return size() < left })
	} else {
		time.Sleep(400 * time.Millisecond) // some retries
	}
	now := size()
	return left - now, must(t, c.master(2).Client(t), "DBSIZE").Int
}

// TestM5_LostSets: a target that lost what it knew gets nothing more, and nothing
// is deleted at the source.
func TestM5_LostSets(t *testing.T) {
	deleted, restored := afterLoss(t, 0)
	if deleted != 0 {
		t.Errorf("%d keys deleted after the target lost its sets", deleted)
	}
	if restored != 0 {
		t.Errorf("%d keys at a target that can't tell which were deleted", restored)
	}
}

func TestMutant_SetsAreNotMadeAgain(t *testing.T) {
	if deleted, restored := afterLoss(t, mutantRemakeSets); deleted == 0 || restored == 0 {
		t.Errorf("%d deleted, %d restored: the test would not notice", deleted, restored)
	}
}

// TestM1_Leftovers: keys at the target are in the way until someone agrees.
func TestM1_Leftovers(t *testing.T) {
	c := newCluster(t, layout{groups: 2})
	c.assign(1)
	want := c.fill(1, 100)
	other := c.master(2).Client(t)
	for _, db := range []string{"0", "5"} {
		must(t, other, "SELECT", db)
		must(t, other, "SET", "key:1", "stale")
		must(t, other, "SET", "gone", "stale")
	}
	leader := c.lead()
	report, err := leader.Preflight(t.Context(), []topology.SlotMove{c.all(1, 2)})
	if err != nil || report.Err() == nil || !strings.Contains(report.Err().Error(), "4, for example") {
		t.Errorf("report %+v, %v", report, err)
	}
	job := c.migrate(topology.JobOptions{}, c.all(1, 2))
	waitFor(t, "reason", func() bool { return strings.Contains(c.job(job).Reason, "consent") })
	if c.store.State().Slots[0].Phase != topology.PhaseServing {
		t.Error("a hold without consent")
	}
	c.store.must(topology.JobSetState{ID: job, State: topology.JobCancelling})
	waitFor(t, "end", func() bool { return c.job(job).State.Finished() })
	job = c.migrate(topology.JobOptions{Consent: true}, c.all(1, 2))
	c.waitDone(job, 20*time.Second)
	checkSame(t, "target", contents(t, c.master(2)), want)
	checkSame(t, "source", contents(t, c.master(1)), nil)
}

func TestM1_Preflight(t *testing.T) {
	for _, tc := range []struct {
		name, check string
		result      Result
		spoil       func(t *testing.T, c *cluster)
	}{
		{"all is well", "", "", func(*testing.T, *cluster) {}},
		{"target down", "servers", ResultFail, func(_ *testing.T, c *cluster) { c.master(2).Kill() }},
		{"replica down", "servers", ResultFail, func(_ *testing.T, c *cluster) { c.servers[2][1].Kill() }},
		{"master is a replica", "servers", ResultFail, func(t *testing.T, c *cluster) {
			must(t, c.master(2).Client(t), "REPLICAOF", "127.0.0.1", fmt.Sprint(c.master(1).Port))
		}},
		{"no memory", "memory", ResultFail, func(t *testing.T, c *cluster) {
			must(t, c.master(2).Client(t), "CONFIG", "SET", "maxmemory", "1mb")
		}},
		{"evicts", "memory", ResultWarn, func(t *testing.T, c *cluster) {
			limit(t, c.master(2), "allkeys-lru")
		}},
		{"evicts at the source", "eviction", ResultWarn, func(t *testing.T, c *cluster) {
			limit(t, c.master(1), "allkeys-random")
		}},
		{"CLIENT KILL is not allowed", "clients", ResultFail, func(t *testing.T, c *cluster) {
			must(t, c.master(2).Client(t), "ACL", "SETUSER", "default", "-client|kill")
		}},
		{"database too high", "databases", ResultFail, func(t *testing.T, c *cluster) {
			client := c.master(1).Client(t)
			must(t, client, "SELECT", "20")
			must(t, client, "SET", "k", "v")
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := &cluster{}
			*c = *newCluster(t, layout{groups: 1, replicas: 1, args: []string{"--databases", "32"}})
			target := resptest.StartRedis(t, "--repl-diskless-sync-delay", "0")
			replica := resptest.StartRedis(t, "--replicaof", "127.0.0.1", fmt.Sprint(target.Port))
			c.servers[2] = []*resptest.Server{target, replica}
			c.store.must(topology.GroupAdd{ID: 2, Servers: []topology.Server{{Addr: target.Addr}, {Addr: replica.Addr}}})
			waitFor(t, "replica", func() bool {
				r, err := target.Client(t).Do(t.Context(), "WAIT", "1", "100")
				return err == nil && r.Int == 1
			})
			c.assign(1)
			tc.spoil(t, c)
			cfg := DefaultConfig()
			cfg.Store, cfg.Name = c.store, "n1"
			ctl, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			report, err := ctl.Preflight(t.Context(), []topology.SlotMove{c.all(1, 2)})
			if err != nil {
				t.Fatal(err)
			}
			found := tc.check == ""
			for _, check := range report {
				if check.Name == tc.check && check.Result == tc.result {
					found = true
				} else if check.Result == ResultFail {
					t.Errorf("%+v", check)
				}
			}
			if !found || errors.Is(report.Err(), ErrPreflight) != (tc.result == ResultFail) {
				t.Errorf("report %+v", report)
			}
		})
	}
}

func TestPlan(t *testing.T) {
	s := newMemStore(t)
	for id := 1; id <= 3; id++ {
		s.must(topology.GroupAdd{ID: id, Servers: []topology.Server{{Addr: fmt.Sprintf("127.0.0.1:%d", 100+id)}}})
	}
	s.must(topology.SlotsAssign{Ranges: []topology.SlotRange{{Start: 0, End: 1023, Group: 1}}})
	a, b := topology.SlotMove{Start: 0, End: 99, From: 1, To: 2}, topology.SlotMove{Start: 200, End: 210, From: 1, To: 3}
	job := s.must(topology.JobCreate{Kind: topology.JobMigrate, Moves: []topology.SlotMove{a, b}})
	check := func(what string, o observation, want ...task) {
		t.Helper()
		if got := plan(s.State(), o); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	begin := taskKey{step: stepBegin, job: job, from: 1, to: 2}
	first := topology.SlotMove{Start: 0, End: 15, From: 1, To: 2}
	check("one pair of a group at a time", observation{}, task{begin, []topology.SlotMove{first}})
	check("few keys", observation{perSlot: map[int]float64{1: 10}}, task{begin, []topology.SlotMove{a}})
	check("many keys", observation{perSlot: map[int]float64{1: 1e6}}, task{begin, []topology.SlotMove{{Start: 0, End: 2, From: 1, To: 2}}})
	check("it runs", observation{active: map[taskKey]bool{begin: true}})
	epoch := s.must(topology.SlotsHold{Job: job, Moves: []topology.SlotMove{first}})
	check("own hold", observation{active: map[taskKey]bool{begin: true}})
	held := taskKey{step: stepRelease, job: job, epoch: epoch, from: 1, to: 2}
	check("another's hold", observation{}, task{held, []topology.SlotMove{first}})
	s.must(topology.SlotsMigrate{Job: job, Epoch: epoch})
	held.step = stepMove
	check("migrating", observation{}, task{held, []topology.SlotMove{first}})
	s.must(topology.JobSetState{ID: job, State: topology.JobPaused})
	check("paused", observation{})
	s.must(topology.JobSetState{ID: job, State: topology.JobCancelling})
	turned := held
	turned.step = stepReverse
	check("cancelling", observation{}, task{turned, []topology.SlotMove{first}})
	check("cancelling, the mover is still at work", observation{active: map[taskKey]bool{held: true}})
	s.must(topology.SlotsDone{Job: job, Epoch: epoch})
	held.step = stepClean
	check("cleaning", observation{}, task{held, []topology.SlotMove{first}})
}

func TestNextRest(t *testing.T) {
	rest := int64(0)
	for range 3 {
		rest = nextRest(rest, 2*brisk, time.Microsecond)
	}
	if rest != 381 { // 100, 225, 381: up faster and faster
		t.Errorf("rest %d", rest)
	}
	for range 100 {
		rest = nextRest(rest, time.Second, brisk)
	}
	if rest != restMax {
		t.Errorf("rest %d for ever", rest)
	}
	for range 100 {
		rest = nextRest(rest, 3*brisk, brisk) // three times the idle PING is well
	}
	if rest != 0 {
		t.Errorf("rest %d after calm", rest)
	}
}

func TestCounter(t *testing.T) {
	var c counter
	now := time.Now()
	if _, ok := c.others(now, 1000, 0); ok {
		t.Error("a rate from one look")
	}
	if rate, ok := c.others(now.Add(2*time.Second), 9000, 2000); !ok || rate != 3000 {
		t.Errorf("%v a second", rate)
	}
}

func TestBrake(t *testing.T) {
	pause := time.Duration(0)
	for range 3 {
		pause = after(pause, 3*calm, 3*calm, time.Millisecond)
	}
	if pause != 7*pauseStep {
		t.Errorf("pause %v", pause)
	}
	for range 20 {
		pause = after(pause, time.Hour, time.Hour, time.Millisecond)
	}
	if pause != pauseMax {
		t.Errorf("pause %v", pause)
	}
	for range 40 {
		pause = after(pause, calm, time.Hour, time.Millisecond)
	}
	if pause != 0 {
		t.Errorf("pause %v after calm", pause)
	}
}

// limit lets a server evict keys; one setting at a time, as servers before 7.0 want it.
func limit(t *testing.T, s *resptest.Server, policy string) {
	t.Helper()
	c := s.Client(t)
	must(t, c, "CONFIG", "SET", "maxmemory", "1gb")
	must(t, c, "CONFIG", "SET", "maxmemory-policy", policy)
}
