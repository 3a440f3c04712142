package topology

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// chooser makes the choices of a random walk: *rand.Rand, or the bytes of a fuzzer.
type chooser interface{ IntN(n int) int }

// fuzzBytes is a chooser; when the bytes are used up it answers 0.
type fuzzBytes struct{ data []byte }

func (f *fuzzBytes) IntN(n int) int {
	if len(f.data) == 0 || n <= 1 {
		return 0
	}
	b := int(f.data[0])
	f.data = f.data[1:]
	return b % n
}

// walk applies random commands, most of which make sense, to a cluster of four
// groups, and checks after each of them what must hold of any.
type walk struct {
	tb    testing.TB
	pick  chooser
	state *State
	// past are commands of before, that come again.
	past []Command
	done int
}

func newWalk(tb testing.TB, pick chooser) *walk {
	s := initialised(tb)
	for id := 8; id <= 10; id++ {
		s = mustApply(tb, s, GroupAdd{ID: id, Servers: []Server{
			{Addr: fmt.Sprintf("127.0.0.1:%d", 1000*id)}, {Addr: fmt.Sprintf("127.0.0.1:%d", 1000*id+1)},
		}})
	}
	s = mustApply(tb, s, SlotsAssign{Ranges: []SlotRange{{Start: 100, End: 119, Group: 8}, {Start: 120, End: 139, Group: 9}}})
	return &walk{tb: tb, pick: pick, state: s}
}

// step applies one command.
func (w *walk) step() {
	w.done++
	c := Command{RequestID: fmt.Sprintf("w%d", w.done), Who: "walk", At: int64(w.done), Body: w.body()}
	if len(w.past) > 0 && w.pick.IntN(8) == 0 {
		// A command of before, as it was or as a request of its own.
		if late := w.past[w.pick.IntN(len(w.past))]; w.pick.IntN(2) == 0 {
			c = late
		} else {
			c.Body = late.Body
		}
	}
	w.apply(c)
	w.past = append(w.past, c)
}

func (w *walk) apply(c Command) Outcome {
	before := w.state
	next, outcome := Apply(before, before.Epoch+1, c)
	if err := next.CheckInvariants(); err != nil {
		w.tb.Fatalf("after %+v: %v", c.Body, err)
	}
	if again, repeated := Apply(next, next.Epoch+1, c); again != next || repeated != outcome {
		w.tb.Fatalf("%+v applied twice: outcome %+v, first %+v", c.Body, repeated, outcome)
	}
	if outcome.Err() != nil && !sameTable(before, next) {
		w.tb.Fatalf("%+v was refused, but changed the state", c.Body)
	}
	w.checkSafe(before, next, c.Body)
	w.state = next
	return outcome
}

// sameTable compares all but the memory of requests.
func sameTable(a, b *State) bool {
	x, y := *a, *b
	x.Requests, y.Requests = nil, nil
	return reflect.DeepEqual(x, y)
}

// checkSafe: a slot changes its owner only by the end of a migration, from the
// group that it was fenced at to the one that has the keys; it begins to migrate
// only from a hold; and its epoch is its own.
func (w *walk) checkSafe(before, after *State, body Body) {
	for i := range before.Slots {
		was, is := before.Slots[i], after.Slots[i]
		if was == is || was.Phase == PhaseUnassigned {
			continue
		}
		ok := false
		switch is.Phase {
		case PhaseServing:
			ok = was.Phase == PhaseMigrating && is.Group == was.Target || was.Phase == PhaseHolding && is.Group == was.Group
		case PhaseHolding:
			ok = is.Epoch == after.Epoch && (was.Phase == PhaseServing && is.Group == was.Group ||
				was.Phase == PhaseMigrating && !was.Reverse && is.Reverse && is.Group == was.Target && is.Target == was.Group)
		case PhaseMigrating:
			want := was
			want.Phase = PhaseMigrating
			ok = was.Phase == PhaseHolding && is == want
		}
		if !ok {
			w.tb.Fatalf("%+v turned slot %d from %+v into %+v", body, i, was, is)
		}
	}
}

func (w *walk) group() int { return 7 + w.pick.IntN(5) }

// body makes up a change. Numbers are picked from what is there, mostly.
func (w *walk) body() Body {
	ids := slices.Sorted(maps.Keys(w.state.Jobs))
	var job Job
	if len(ids) > 0 {
		// The newest are most often unfinished.
		job = w.state.Jobs[ids[len(ids)-1-w.pick.IntN(min(4, len(ids)))]]
	}
	var epoch uint64
	if len(job.Batches) > 0 {
		epoch = job.Batches[w.pick.IntN(len(job.Batches))].Epoch
	}
	switch w.pick.IntN(18) {
	case 16, 17:
		return w.turn()
	case 0, 1:
		return w.create()
	case 2:
		states := []JobState{JobRunning, JobPaused, JobCancelling, JobFailed, JobRunning, JobDone, ""}
		return JobSetState{ID: job.ID, State: states[w.pick.IntN(len(states))]}
	case 3, 4, 5:
		pending := w.state.Pending(job)
		if len(pending) == 0 {
			return SlotsHold{Job: job.ID, Moves: job.Moves}
		}
		m := pending[w.pick.IntN(len(pending))]
		m.Start += w.pick.IntN(m.Len())
		m.End = m.Start + w.pick.IntN(m.Len())
		return SlotsHold{Job: job.ID, Moves: []SlotMove{m}}
	case 6, 7:
		return SlotsMigrate{Job: job.ID, Epoch: epoch}
	case 8:
		return SlotsRelease{Job: job.ID, Epoch: epoch}
	case 9, 10:
		return SlotsDone{Job: job.ID, Epoch: epoch}
	case 11, 12:
		return SlotsCleaned{Job: job.ID, Epoch: epoch}
	case 13:
		return JobReport{ID: job.ID, Progress: JobProgress{Keys: int64(w.pick.IntN(9)), ETA: int64(w.pick.IntN(9)) - 2}, Reason: "busy"}
	case 14:
		if w.pick.IntN(3) > 0 {
			return SlotsReverse{Job: job.ID, Epoch: epoch}
		}
		return GroupDel{ID: w.group()}
	}
	group := w.group()
	return ServerDetach{Group: group, Addr: fmt.Sprintf("127.0.0.1:%d", 1000*group+1), Force: w.pick.IntN(2) == 0}
}

func (w *walk) create() Body {
	start := w.pick.IntN(141)
	end := start + w.pick.IntN(12)
	if moves, err := PlanMigrate(w.state, start, end, w.group()); err == nil {
		return JobCreate{Kind: JobMigrate, Moves: moves}
	}
	if moves, err := PlanRebalance(w.state, RebalanceInput{By: BySlots, Weights: map[int]int{7: w.pick.IntN(3)}}); err == nil && len(moves) > 0 {
		return JobCreate{Kind: JobRebalance, Moves: moves}
	}
	return JobCreate{Kind: JobMigrate, Moves: []SlotMove{{Start: start, End: end, From: w.group(), To: w.group()}}}
}

// finish does what a leader does, by nothing but the state, until all jobs are at
// their ends: no state needs a hand.
func (w *walk) finish() {
	for range 10 * SlotCount {
		body := nextStep(w.state)
		if body == nil {
			return
		}
		w.done++
		if err := w.apply(Command{RequestID: fmt.Sprintf("f%d", w.done), Body: body}).Err(); err != nil {
			w.tb.Fatalf("%+v: %v", body, err)
		}
	}
	w.tb.Fatal("jobs don't come to an end")
}

func nextStep(s *State) Body {
	for id, g := range s.Groups {
		if g.Turn != nil {
			return TurnAbandon{Group: id, Epoch: g.Turn.Epoch}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.Jobs)) {
		j := s.Jobs[id]
		for _, b := range j.Batches {
			switch {
			case b.Phase == BatchHolding && b.Was == 0 && (j.State == JobCancelling || s.turnedSince(b.Ranges[0], b.Epoch) != nil):
				return SlotsRelease{Job: id, Epoch: b.Epoch}
			case b.Phase == BatchHolding:
				return SlotsMigrate{Job: id, Epoch: b.Epoch, Seen: s.Epoch}
			case b.Phase == BatchMigrating && j.State == JobCancelling && b.Was == 0 && id%2 == 0:
				return SlotsReverse{Job: id, Epoch: b.Epoch}
			case b.Phase == BatchMigrating:
				return SlotsDone{Job: id, Epoch: b.Epoch}
			default:
				return SlotsCleaned{Job: id, Epoch: b.Epoch}
			}
		}
		if j.State == JobPaused {
			return JobSetState{ID: id, State: JobRunning}
		}
		if pending := s.Pending(j); len(pending) > 0 {
			return SlotsHold{Job: id, Moves: pending[:1]}
		}
	}
	return nil
}

func TestWalks(t *testing.T) {
	for seed := range uint64(8) {
		w := newWalk(t, rand.New(rand.NewPCG(seed, 3)))
		for i := range 250 {
			w.step()
			if i%50 == 0 {
				got, err := DecodeState([]byte(mustEncode(t, w.state)))
				if err != nil || !reflect.DeepEqual(got, w.state) {
					t.Fatalf("read back: %v, got %+v, want %+v", err, got, w.state)
				}
			}
		}
		w.finish()
		for i, slot := range w.state.Slots {
			if slot.Phase > PhaseServing {
				t.Errorf("seed %d: in the end slot %d is %s", seed, i, slot.Phase)
			}
		}
		for id, j := range w.state.Jobs {
			if !j.State.Finished() {
				t.Errorf("seed %d: in the end job %d is %s", seed, id, j.State)
			}
		}
	}
}

func FuzzWalk(f *testing.F) {
	f.Add([]byte("\x00\x05\x03\x01\x03\x00\x00\x06\x00\x09\x00\x0b"))
	f.Fuzz(func(t *testing.T, data []byte) {
		pick := &fuzzBytes{data: data[:min(len(data), 400)]}
		w := newWalk(t, pick)
		for len(pick.data) > 0 {
			w.step()
		}
		w.finish()
	})
}

// TestLateCommands: whatever point a move has reached, each step of before, sent
// again by a leader that does not know better, is refused.
func TestLateCommands(t *testing.T) {
	s := mustApply(t, newWalk(t, rand.New(rand.NewPCG(1, 1))).state, JobCreate{Kind: JobMigrate, Moves: []SlotMove{{Start: 0, End: 3, From: 7, To: 8}}})
	job := s.Epoch
	hold := SlotsHold{Job: job, Moves: []SlotMove{{Start: 0, End: 1, From: 7, To: 8}}}
	s = mustApply(t, s, hold)
	late := []Body{hold}
	for _, body := range []Body{SlotsMigrate{Job: job, Epoch: s.Epoch}, SlotsDone{job, s.Epoch}, SlotsCleaned{job, s.Epoch}} {
		s = mustApply(t, s, body)
		late = append(late, body)
		for _, old := range late {
			next, outcome := Apply(s, s.Epoch+1, Command{Body: old})
			if !errors.Is(outcome.Err(), &Error{Code: CodeStale}) || !sameTable(s, next) {
				t.Errorf("%+v after %+v: %v", old, body, outcome.Err())
			}
		}
	}
}

// TestFinishedJobsAreBounded: the ones that ended first are forgotten, not the ones
// that began first.
func TestFinishedJobsAreBounded(t *testing.T) {
	s := newWalk(t, rand.New(rand.NewPCG(1, 1))).state
	s = mustApply(t, s, JobCreate{Kind: JobMigrate, Moves: []SlotMove{{Start: 0, End: 0, From: 7, To: 8}}})
	oldest := s.Epoch
	var ids []uint64
	for range MaxFinishedJobs + 3 {
		s = mustApply(t, s, JobCreate{Kind: JobMigrate, Moves: []SlotMove{{Start: 1, End: 1, From: 7, To: 8}}})
		ids = append(ids, s.Epoch)
		s = mustApply(t, s, JobSetState{ID: s.Epoch, State: JobCancelling})
	}
	s = mustApply(t, s, JobSetState{ID: oldest, State: JobFailed})
	want := append([]uint64{oldest}, ids[4:]...)
	if got := slices.Sorted(maps.Keys(s.Jobs)); !slices.Equal(got, want) {
		t.Errorf("jobs %v are kept, want %v", got, want)
	}
}

// TestFormat1 reads a state as the version before jobs wrote it.
func TestFormat1(t *testing.T) {
	old := strings.Replace(mustEncode(t, initialised(t)), `"format":3`, `"format":1`, 1)
	old = strings.Replace(old, `"jobs":{},`, ``, 1)
	got, err := DecodeState([]byte(old))
	if err != nil {
		t.Fatal(err)
	}
	want := initialised(t)
	want.Format = oldestFormat
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	mustApply(t, got, SettingSet{Name: "timeout", Value: "5s"})
	moving := strings.Replace(mustEncode(t, moving(t)), `"format":3`, `"format":1`, 1)
	if _, err := DecodeState([]byte(moving)); !errors.Is(err, ErrUnknownState) {
		t.Errorf("format 1 with jobs: %v", err)
	}
}

// moving returns a state with a job, 11, that has a batch at each step: 12 is being
// cleaned, 15 migrates, 17 is held; and with a job, 18, that is done.
func moving(tb testing.TB) *State {
	tb.Helper()
	s := initialised(tb)
	for _, body := range []Body{
		GroupAdd{ID: 8, Servers: []Server{{Addr: "127.0.0.1:8888"}}},
		GroupAdd{ID: 9, Servers: []Server{{Addr: "127.0.0.1:9999"}}},
	} {
		s = mustApply(tb, s, body)
	}
	for _, step := range []struct {
		index uint64
		body  Body
	}{
		{11, JobCreate{Kind: JobRebalance, Moves: []SlotMove{{Start: 0, End: 19, From: 7, To: 8}}}},
		{12, SlotsHold{Job: 11, Moves: []SlotMove{{Start: 0, End: 3, From: 7, To: 8}}}},
		{13, SlotsMigrate{Job: 11, Epoch: 12}}, {14, SlotsDone{Job: 11, Epoch: 12}},
		{15, SlotsHold{Job: 11, Moves: []SlotMove{{Start: 4, End: 7, From: 7, To: 8}}}},
		{16, SlotsMigrate{Job: 11, Epoch: 15}},
		{17, SlotsHold{Job: 11, Moves: []SlotMove{{Start: 8, End: 11, From: 7, To: 8}}}},
		{18, JobCreate{Kind: JobMigrate, Moves: []SlotMove{{Start: 30, End: 30, From: 7, To: 9}}}},
		{19, JobSetState{ID: 18, State: JobCancelling}},
	} {
		next, outcome := Apply(s, step.index, Command{Body: step.body})
		if err := outcome.Err(); err != nil {
			tb.Fatalf("%+v: %v", step.body, err)
		}
		s = next
	}
	return s
}

// TestJobInvariantsFind: each of these states is wrong, and is found to be.
func TestJobInvariantsFind(t *testing.T) {
	job := func(s *State, change func(*Job)) {
		j := s.Jobs[11]
		j.Batches, j.Moves = slices.Clone(j.Batches), slices.Clone(j.Moves)
		for i := range j.Batches {
			j.Batches[i].Ranges = slices.Clone(j.Batches[i].Ranges)
		}
		change(&j)
		s.Jobs[11] = j
	}
	for name, spoil := range map[string]func(*State){
		"held slot of no batch":       func(s *State) { s.Slots[20] = s.Slots[8] },
		"held slot goes nowhere":      func(s *State) { s.Slots[8].Target = 0 },
		"held slot goes home":         func(s *State) { s.Slots[8].Target = 7 },
		"held slot of another epoch":  func(s *State) { s.Slots[8].Epoch = 15 },
		"held slot of no job":         func(s *State) { s.Slots[8].Job = 0 },
		"slot migrates too soon":      func(s *State) { s.Slots[8].Phase = PhaseMigrating },
		"slot is held again":          func(s *State) { s.Slots[4].Phase = PhaseHolding },
		"slot served too soon":        func(s *State) { s.Slots[4] = Slot{Phase: PhaseServing, Group: 8} },
		"slot at a third group":       func(s *State) { s.Slots[15].Group = 9 },
		"slot without an owner":       func(s *State) { s.Slots[15] = Slot{} },
		"serving with an epoch":       func(s *State) { s.Slots[0].Epoch = 12 },
		"serving with a job":          func(s *State) { s.Slots[0].Job = 11 },
		"moved behind the job's back": func(s *State) { s.Slots[15].Group = 8 },
		"job under another ID":        func(s *State) { s.Jobs[10] = s.Jobs[11] },
		"job of later":                func(s *State) { s.Epoch = 10 },
		"slot in two jobs": func(s *State) {
			s.Jobs[13] = Job{ID: 13, Kind: JobMigrate, State: JobRunning, Moves: []SlotMove{{Start: 19, End: 19, From: 7, To: 9}}, Progress: JobProgress{SlotsTotal: 1}}
		},
		"no moves":             func(s *State) { job(s, func(j *Job) { j.Moves = nil }) },
		"huge moves":           func(s *State) { job(s, func(j *Job) { j.Moves[0].End = 1 << 60 }) },
		"huge batch":           func(s *State) { job(s, func(j *Job) { j.Batches[0].Ranges[0].End = 1 << 60 }) },
		"huge way back":        func(s *State) { job(s, func(j *Job) { j.Back = []SlotMove{{Start: 0, End: 1 << 60}} }) },
		"empty batch":          func(s *State) { job(s, func(j *Job) { j.Batches[0].Ranges = nil }) },
		"unknown kind":         func(s *State) { job(s, func(j *Job) { j.Kind = "" }) },
		"unknown state":        func(s *State) { job(s, func(j *Job) { j.State = "" }) },
		"unknown batch phase":  func(s *State) { job(s, func(j *Job) { j.Batches[0].Phase = "" }) },
		"batch at its end":     func(s *State) { job(s, func(j *Job) { j.Batches[1].Phase = BatchCleaning }) },
		"batch lost":           func(s *State) { job(s, func(j *Job) { j.Batches = j.Batches[1:2] }) },
		"batches out of order": func(s *State) { job(s, func(j *Job) { j.Batches[0].Epoch = 16 }) },
		"batch of later":       func(s *State) { job(s, func(j *Job) { j.Batches[0].Epoch = 99 }) },
		"batch twice":          func(s *State) { job(s, func(j *Job) { j.Batches[0].Ranges = j.Batches[1].Ranges }) },
		"batch of other slots": func(s *State) { job(s, func(j *Job) { j.Batches[0].Ranges[0].End = 30 }) },
		"batch of two pairs": func(s *State) {
			job(s, func(j *Job) {
				j.Batches[0].Ranges = append(j.Batches[0].Ranges, SlotMove{Start: 19, End: 19, From: 7, To: 9})
			})
		},
		"finished with batches": func(s *State) { job(s, func(j *Job) { j.State, j.EndEpoch = JobDone, 18 }) },
		"ended, but runs":       func(s *State) { job(s, func(j *Job) { j.EndEpoch = 18 }) },
		"back, but runs":        func(s *State) { job(s, func(j *Job) { j.Back = j.Batches[0].Ranges }) },
		"back what never went": func(s *State) {
			job(s, func(j *Job) { j.State, j.Back = JobCancelling, []SlotMove{{Start: 19, End: 19, From: 7, To: 8}} })
		},
		"done is wrong":   func(s *State) { job(s, func(j *Job) { j.Progress.SlotsDone++ }) },
		"total is wrong":  func(s *State) { job(s, func(j *Job) { j.Progress.SlotsTotal++ }) },
		"negative rate":   func(s *State) { job(s, func(j *Job) { j.Options.KeysPerSecond = -1 }) },
		"group gone":      func(s *State) { delete(s.Groups, 8) },
		"nothing to do":   func(s *State) { j := s.Jobs[18]; j.State, j.EndEpoch = JobCancelling, 0; s.Jobs[18] = j },
		"no end":          func(s *State) { j := s.Jobs[18]; j.EndEpoch = 0; s.Jobs[18] = j },
		"too many":        manyFinished,
		"renews too late": func(s *State) { s.Settings["lease-renew"] = "3s" },
	} {
		s := moving(t).clone()
		if err := s.CheckInvariants(); err != nil {
			t.Fatal(err)
		}
		if spoil(s); s.CheckInvariants() == nil {
			t.Errorf("%s: not found", name)
		}
	}
}

func manyFinished(s *State) {
	s.Epoch = 1000
	for id := uint64(100); id < 100+MaxFinishedJobs; id++ {
		j := s.Jobs[18]
		j.ID, j.EndEpoch = id, id+1
		s.Jobs[id] = j
	}
}

func TestJobOf(t *testing.T) {
	s := moving(t)
	for slot, want := range map[int]uint64{0: 11, 8: 11, 19: 11, 20: 0, 30: 0, 500: 0} {
		if j, ok := s.JobOf(slot); j.ID != want || ok != (want != 0) {
			t.Errorf("slot %d is in job %d, %v, want %d", slot, j.ID, ok, want)
		}
	}
}

func TestSettingsTogether(t *testing.T) {
	s := initialised(t)
	if _, outcome := Apply(s, s.Epoch+1, Command{Body: SettingSet{Name: "lease", Value: "1500ms"}}); !errors.Is(outcome.Err(), &Error{Code: CodeBadArg}) {
		t.Errorf("lease below two renewals: %v", outcome.Err())
	}
	s = mustApply(t, s, SettingSet{Name: "lease-renew", Value: "200ms"})
	s = mustApply(t, s, SettingSet{Name: "lease", Value: "1500ms"})
	if _, outcome := Apply(s, s.Epoch+1, Command{Body: SettingSet{Name: "lease-renew", Value: "1s"}}); outcome.Err() == nil {
		t.Error("lease-renew of 1s at a lease of 1.5s")
	}
}
