package topology

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// bodies is one of each, with every field set.
func bodies() []Body {
	node := Node{ID: "n1", Incarnation: "i1", Addr: "127.0.0.1:1", PeerAddr: "127.0.0.1:2", HTTPAddr: "127.0.0.1:3", Zone: "z", Version: "1", Voter: true, JoinedAt: 5}
	server := Server{Addr: "127.0.0.1:7001", Zone: "z", Version: "7.0.15", RunID: "aa", ReplID: "bb"}
	auth := &Credentials{User: "u", Password: "p<&>\u2028\ufffd"}
	moves := []SlotMove{{Start: 1, End: 2, From: 7, To: 8}}
	return []Body{
		ClusterInit{ClusterID: "c1", Node: node, Format: StateFormat}, NodeJoin{Node: node}, NodeAnnounce{Node: node},
		NodeRemove{ID: "n1"}, NodeSetVoter{ID: "n1", Voter: true, Reason: "r"}, FormatRaise{Format: 3},
		GroupAdd{ID: 1, Servers: []Server{server}, Auth: auth}, GroupDel{ID: 1}, GroupAuth{Group: 1, Auth: auth},
		ServerAttach{Group: 1, Server: server}, ServerDetach{Group: 1, Addr: "127.0.0.1:7001", Force: true}, ServerUpdate{Group: 1, Server: server},
		SlotsAssign{Ranges: []SlotRange{{Start: 1, End: 2, Group: 1}}}, SettingSet{Name: "timeout", Value: "5s"},
		JobCreate{Kind: JobMigrate, Moves: moves, Options: JobOptions{KeysPerSecond: 1, BytesPerSecond: 2, Consent: true}},
		JobSetState{ID: 3, State: JobPaused, Reason: "asked to"},
		JobLimit{ID: 3, KeysPerSecond: 1, BytesPerSecond: 2}, JobForce{ID: 3}, SlotsForced{Job: 3, Epoch: 4, Word: 5},
		JobReport{ID: 3, Progress: JobProgress{SlotsTotal: 1, SlotsDone: 1, Keys: 2, Bytes: 3, KeysPerSecond: 0.1, ETA: -1, At: 4}, Reason: "slow"},
		SlotsHold{Job: 3, Moves: moves}, SlotsMigrate{Job: 3, Epoch: 4, Seen: 5}, SlotsReverse{Job: 3, Epoch: 4}, SlotsRelease{Job: 3, Epoch: 4},
		SlotsDone{Job: 3, Epoch: 4}, SlotsCleaned{Job: 3, Epoch: 4},
		TurnBegin{Group: 7, Kind: TurnReplace, From: "127.0.0.1:7001", FromRunID: "aa", To: "127.0.0.1:7002", Force: true, Reason: "dead", Server: &server},
		TurnDone{Group: 7, Epoch: 4, Server: server, Fork: &Fork{Addr: "127.0.0.1:7001", RunID: "aa", ReplID: "bb", Offset: 1, Seen: 2, Epoch: 4, At: 3}, PauseMS: 5, Note: "n"},
		TurnAbandon{Group: 7, Epoch: 4, Reason: "late"}, ForkMeasured{Group: 7, Epoch: 4, LostBytes: -1, Note: "restarted"}, GroupNote{Group: 7, Text: "t"},
	}
}

func TestCommandRoundTrip(t *testing.T) {
	if got, want := len(bodies()), len(decoders); got != want {
		t.Fatalf("%d bodies are tried, %d are known", got, want)
	}
	for _, body := range bodies() {
		want := Command{Format: CommandFormat, RequestID: "r", Who: "w", At: 7, ExpectEpoch: 8, ExpectGroupEpoch: 9, Body: body}
		data, err := want.Encode()
		if err != nil {
			t.Fatalf("%s: %v", body.word(), err)
		}
		got, err := DecodeCommand(data)
		if err != nil {
			t.Fatalf("%s: %v", body.word(), err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", body.word(), got, want)
		}
	}
}

func TestCommandNeverShowsSecrets(t *testing.T) {
	s := initialised(t)
	for _, body := range []Body{
		GroupAdd{ID: 1, Servers: []Server{{Addr: "127.0.0.1:1"}}, Auth: &Credentials{User: "u", Password: "hush"}},
		GroupAuth{Group: 1, Auth: &Credentials{Password: "hush"}},
		SettingSet{Name: "backend-password", Value: "hush"},
		SettingSet{Name: "backend-password", Value: strings.Repeat("hush", 1000)},
	} {
		_, outcome := Apply(s, 2, Command{Body: body})
		if strings.Contains(body.describe(s)+outcome.Message+outcome.Hint, "hush") {
			t.Errorf("%s: %q %q", body.word(), body.describe(s), outcome.Message)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		body Body
		want error
	}{
		"no body":   {nil, ErrUnknownCommand},
		"not UTF-8": {SettingSet{Name: "backend-password", Value: "\xff"}, ErrNotText},
	} {
		if _, err := (Command{Body: c.body}).Encode(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := (Command{Body: SettingSet{Value: strings.Repeat("x", MaxCommandSize)}}).Encode(); err == nil {
		t.Error("a command beyond the limit was encoded")
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":        ``,
		"not JSON":       `timeout`,
		"another format": `{"format":2,"type":"group-del","request_id":"r","body":{"id":1}}`,
		"another type":   `{"format":1,"type":"group-bake","request_id":"r","body":{"id":1}}`,
		"a field more":   `{"format":1,"type":"group-del","request_id":"r","body":{"id":1},"urgent":true}`,
		"no body":        `{"format":1,"type":"group-del","request_id":"r"}`,
		"something more": `{"format":1,"type":"group-del","request_id":"r","body":{"id":1}} {}`,
		"another word":   `{"format":1,"type":"job-set-state","request_id":"r","body":{"id":1,"state":"asleep"}}`,
		"another kind":   `{"format":1,"type":"job-create","request_id":"r","body":{"kind":"burn","moves":[],"options":{}}}`,
		"a huge number":  `{"format":1,"type":"group-del","request_id":"r","body":{"id":99999999999999999999}}`,
	} {
		if c, err := DecodeCommand([]byte(text)); !errors.Is(err, ErrUnknownCommand) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

// FuzzApply decodes and applies any bytes: no panic, the invariants hold, the
// given state is left alone, and every state can be written and read back.
func FuzzApply(f *testing.F) {
	for _, body := range bodies() {
		data, err := Command{RequestID: "r", Body: body}.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, body := range []Body{
		SlotsCleaned{Job: 11, Epoch: 12}, SlotsDone{Job: 11, Epoch: 15}, SlotsMigrate{Job: 11, Epoch: 17}, SlotsRelease{Job: 11, Epoch: 17},
		SlotsHold{Job: 11, Moves: []SlotMove{{Start: 12, End: 19, From: 7, To: 8}}}, JobSetState{ID: 11, State: JobCancelling, Reason: "\x00"},
	} {
		data, err := Command{RequestID: "r", Body: body}.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := DecodeCommand(data)
		if err != nil {
			if !errors.Is(err, ErrUnknownCommand) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		for _, s := range []*State{NewState(), initialised(t), moving(t), turning(t)} {
			before := mustEncode(t, s)
			next, outcome := Apply(s, s.Epoch+1, c)
			if mustEncode(t, s) != before {
				t.Fatal("the given state was changed")
			}
			if err := next.CheckInvariants(); err != nil {
				t.Fatalf("%s: %v", c.Body.word(), err)
			}
			if outcome.Err() == nil && next.Epoch != s.Epoch+1 {
				t.Fatalf("applied, but epoch %d", next.Epoch)
			}
			if _, err := DecodeState([]byte(mustEncode(t, next))); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// initialised returns a state with a node and a group that has slots.
func initialised(tb testing.TB) *State {
	tb.Helper()
	s := NewState()
	for i, body := range []Body{
		ClusterInit{ClusterID: "c1", Node: Node{ID: "n0", Incarnation: "i0", Addr: "127.0.0.1:1", PeerAddr: "127.0.0.1:2"}, Format: StateFormat},
		GroupAdd{ID: 7, Servers: []Server{{Addr: "127.0.0.1:7777"}}},
		SlotsAssign{Ranges: []SlotRange{{Start: 0, End: 99, Group: 7}}},
	} {
		var outcome Outcome
		if s, outcome = Apply(s, uint64(i+1), Command{Body: body}); outcome.Err() != nil {
			tb.Fatal(outcome.Err())
		}
	}
	return s
}
