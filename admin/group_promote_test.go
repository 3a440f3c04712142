package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"codis/raftstore/topology"
)

// fakeTurner stands for migrate/failover's Controller at the leader.
type fakeTurner struct {
	asked []string
	err   error
}

func (f *fakeTurner) Promote(_ context.Context, r TurnRequest) (Turned, error) {
	f.asked = append(f.asked, fmt.Sprintf("promote %d %s %v by %s", r.Group, r.Addr, r.Force, r.Who))
	return Turned{Pause: 42 * time.Millisecond, LostBytes: 7, Note: "7 bytes\r\nare lost"}, f.err
}

func (f *fakeTurner) Replace(_ context.Context, r TurnRequest) (Turned, error) {
	f.asked = append(f.asked, fmt.Sprintf("replace %d %s %v", r.Group, r.Addr, r.Force))
	return Turned{Pause: time.Second, LostBytes: -1}, f.err
}

func (f *fakeTurner) Alarms() []GroupAlarm {
	return []GroupAlarm{{Group: 1, Code: "failover-blocked", Text: "group 1: its master is down"}}
}

func (f *fakeTurner) Prospects(*topology.State) map[int]Prospect {
	return map[int]Prospect{1: {Why: "it has no replica"}}
}

// TestPromoteAndReplace: at the leader, whoever is asked; with what to know of it.
func TestPromoteAndReplace(t *testing.T) {
	c := newFakeCluster(t, newFakeServers())
	c.mustApply(t, topology.GroupAdd{ID: 1, Servers: []topology.Server{{Addr: "a:1"}, {Addr: "a:2"}}}, nil, false)
	if got := c.ask(t, "CODIS.GROUP", "PROMOTE", "1", "a:2"); got.Err() == nil || !strings.Contains(got.Text(), "can't change masters") {
		t.Errorf("without a turner: %v", got.Text())
	}
	turner := &fakeTurner{}
	for _, n := range c.nodes {
		n.ops.cfg.Turner = turner
	}
	if got := c.mustAsk(t, "CODIS.GROUP", "PROMOTE", "1", "a:2", "FORCE").Strings(); fmt.Sprint(got) != "[OK requests waited 42 ms 7 bytes are lost]" {
		t.Errorf("got %q", got)
	}
	if got := c.mustAsk(t, "CODIS.JSON", "CODIS.GROUP", "PROMOTE", "1", "a:2").Text(); !strings.Contains(got, `"pause_ms":42,"lost_bytes":7`) {
		t.Errorf("got %s", got)
	}
	if got := c.ask(t, "CODIS.GROUP", "REPLACE", "1", "a:3"); got.Err() == nil || !strings.HasPrefix(got.Text(), "BADARG") {
		t.Errorf("without FORCE: %v", got.Text())
	}
	c.mustAsk(t, "CODIS.GROUP", "REPLACE", "1", "a:3", "FORCE")
	for refusal, words := range map[string][]string{
		"NOGROUP": {"CODIS.GROUP", "PROMOTE", "9", "a:2"},
		"BADARG":  {"CODIS.GROUP", "PROMOTE", "1", "nowhere"},
	} {
		if got := c.ask(t, words...); !strings.HasPrefix(got.Text(), refusal) {
			t.Errorf("%v: %s", words, got.Text())
		}
	}
	turner.err = errors.New("server a:2 can't be promoted: it is down")
	if got := c.ask(t, "CODIS.GROUP", "PROMOTE", "1", "a:2"); !strings.HasPrefix(got.Text(), "SERVER server a:2") {
		t.Errorf("a refusal: %s", got.Text())
	}
	if len(turner.asked) != 4 || !strings.HasPrefix(turner.asked[0], "promote 1 a:2 true by ") || turner.asked[2] != "replace 1 a:3 true" {
		t.Errorf("asked %q", turner.asked)
	}
	if got := c.mustAsk(t, "CODIS.INFO").Text(); !strings.Contains(got, "its master is down") {
		t.Errorf("no alarm in %s", got)
	}
	row := c.mustAsk(t, "CODIS.GROUPS").Array[0].Strings()
	if !strings.Contains(strings.Join(row, " "), "failover no: it has no replica") {
		t.Errorf("row %q", row)
	}
}
