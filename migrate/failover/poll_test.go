package failover

import (
	"fmt"
	"testing"
	"time"
)

// saw makes a vote: name, and the silent servers with their seconds.
func saw(node string, silent ...any) Vote {
	v := Vote{Node: node}
	for i := 0; i < len(silent); i += 2 {
		v.Down = append(v.Down, Down{Addr: silent[i].(string), MS: int64(silent[i+1].(float64) * 1000)})
	}
	return v
}

// TestSafetyF1Judge: a majority of all voters, each of them under lease and not
// suspected to be cut off itself, makes a server down.
func TestSafetyF1Judge(t *testing.T) {
	t.Parallel()
	two, four := []string{"a", "b"}, []string{"a", "b", "c", "d"}
	for _, tc := range []struct {
		name    string
		poll    Poll
		masters []string
		down    bool
		say     int
		suspect string
	}{
		{"nobody votes", Poll{3, nil}, two, false, 0, "[]"},
		{"nobody misses it", Poll{3, []Vote{saw("n1"), saw("n2"), saw("n3")}}, two, false, 0, "[]"},
		{"one of three", Poll{3, []Vote{saw("n1", "a", 9.0), saw("n2"), saw("n3")}}, two, false, 1, "[]"},
		{"two of three", Poll{3, []Vote{saw("n1", "a", 9.0), saw("n2", "a", 3.0)}}, two, true, 2, "[]"},
		{"two of three, one too short", Poll{3, []Vote{saw("n1", "a", 9.0), saw("n2", "a", 2.9)}}, two, false, 1, "[]"},
		{"all that are under lease are no majority", Poll{5, []Vote{saw("n1", "a", 9.0), saw("n2", "a", 9.0)}}, two, false, 2, "[]"},
		{"three of five", Poll{5, []Vote{saw("n1", "a", 9.0), saw("n2", "a", 9.0), saw("n3", "a", 9.0)}}, two, true, 3, "[]"},
		{"two of four", Poll{4, []Vote{saw("n1", "a", 9.0), saw("n2", "a", 9.0)}}, two, false, 2, "[]"},
		{"one alone", Poll{1, []Vote{saw("n1", "a", 3.0)}}, []string{"a"}, true, 1, "[]"},
		{"another server", Poll{1, []Vote{saw("n1", "b", 3.0)}}, two, false, 0, "[]"},
		{"half of the masters", Poll{1, []Vote{saw("n1", "a", 3.0, "b", 3.0)}}, four, true, 1, "[]"},
		{"most masters at once", Poll{1, []Vote{saw("n1", "a", 3.0, "b", 3.0, "c", 3.0)}}, four, false, 0, "[n1]"},
		{"both masters at once", Poll{1, []Vote{saw("n1", "a", 3.0, "b", 1.6)}}, two, false, 0, "[n1]"},
		{"the other only hiccups", Poll{1, []Vote{saw("n1", "a", 3.0, "b", 1.4)}}, two, true, 1, "[]"},
		{"the other is long dead", Poll{1, []Vote{saw("n1", "a", 3.0, "b", 30.0)}}, two, true, 1, "[]"},
		{"suspected for long enough", Poll{1, []Vote{saw("n1", "a", 30.0, "b", 30.0)}}, two, true, 1, "[]"},
		{"one voter is cut off", Poll{3, []Vote{saw("n1", "a", 3.0, "b", 3.0), saw("n2", "a", 3.0), saw("n3", "a", 3.0)}}, two, true, 2, "[n1]"},
		{"one cut off, one sees it dead", Poll{3, []Vote{saw("n1", "a", 3.0, "b", 3.0), saw("n2", "a", 3.0), saw("n3")}}, two, false, 1, "[n1]"},
		{"replicas are no masters", Poll{1, []Vote{saw("n1", "a", 3.0, "x", 3.0, "y", 3.0, "z", 3.0)}}, four, true, 1, "[]"},
	} {
		got := tc.poll.Judge("a", tc.masters, 3*time.Second)
		if got.Down != tc.down || got.Say != tc.say || fmt.Sprint(got.Suspect) != tc.suspect {
			t.Errorf("%s: got %+v", tc.name, got)
		}
	}
}

func TestSilent(t *testing.T) {
	t.Parallel()
	seen := map[string]Health{
		"up":     {Addr: "up", State: StateUp, AliveAt: at(0)},
		"short":  {Addr: "short", State: StateSuspect, AliveAt: at(9), Failures: 1, RunID: "s"},
		"long":   {Addr: "long", State: StateDown, AliveAt: at(2), Failures: 5, RunID: "l"},
		"never":  {Addr: "never", State: StateDown, Began: at(5), Failures: 5},
		"asleep": {Addr: "asleep", State: StateUp, AliveAt: at(1)}, // it was not asked: this node slept
	}
	got := fmt.Sprint(Silent(seen, at(10), 3*time.Second))
	if want := "[{long l 8000} {never  5000}]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
