package cli

import (
	"strings"
	"testing"
)

// TestWatchView: a terminal's lines are overwritten, a file's are added to.
func TestWatchView(t *testing.T) {
	eta, ended := int64(75), "2023-11-14T22:13:21Z"
	running := func(id, done int64) job {
		return job{ID: id, Kind: "migrate", State: "running", SlotsTotal: 40, SlotsDone: done, Keys: 100 * done, KeysPerSecond: 7, ETA: &eta}
	}
	done := func(id int64) job {
		return job{ID: id, Kind: "migrate", State: "done", SlotsTotal: 40, SlotsDone: 40, EndedAt: &ended}
	}
	looks := [][]job{
		{running(8, 0), running(7, 10), done(5)},
		{running(8, 0), running(7, 20), done(5)},
		{running(9, 0), running(8, 0), done(7), done(5)},
		{done(9), done(8), done(5)}, // 7 is forgotten
	}
	bar := func(id string, state, rest string) string { return "job " + id + " migrate " + state + " [" + rest }
	run7a := bar("7", "running", "#############.......]  65% 10/40 slots, 1000 keys, 0, 7 keys/s, 1m15s left\n")
	run7b := bar("7", "running", "###############.....]  79% 20/40 slots, 2000 keys, 0, 7 keys/s, 1m15s left\n")
	run8 := bar("8", "running", "....................]   0% 0/40 slots, 0 keys, 0, 7 keys/s, 1m15s left\n")
	run9 := strings.Replace(run8, "job 8", "job 9", 1)
	end := func(id string) string {
		return bar(id, "done", "####################] 100% 40/40 slots, 0 keys, 0\n")
	}
	const clear, rest = "\x1b[2K", "\x1b[J"
	tests := []struct {
		name string
		view watchView
		want []string
	}{
		{"file", watchView{}, []string{run7a + run8, run7b, end("7") + run9, end("8") + end("9")}},
		{"terminal", watchView{terminal: true, width: 120}, []string{
			clear + run7a + clear + run8 + rest,
			"\x1b[2A" + clear + run7b + clear + run8 + rest,
			"\x1b[2A" + clear + end("7") + clear + run8 + clear + run9 + rest,
			"\x1b[3A" + clear + end("8") + clear + end("9") + rest,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.view.last = map[int64]string{}
			for i, look := range looks {
				text, left := tt.view.next(look)
				if text != tt.want[i] {
					t.Errorf("look %d: got\n%q, want\n%q", i, text, tt.want[i])
				}
				if want := []int{2, 2, 2, 0}[i]; left != want {
					t.Errorf("look %d: %d are left, want %d", i, left, want)
				}
			}
		})
	}
}

func TestProgressLine(t *testing.T) {
	tests := []struct {
		name string
		j    job
		want string
	}{
		{"nothing known", job{ID: 1, Kind: "migrate", State: "running"}, "job 1 migrate running [....................]   0% 0/0 slots, 0 keys, 0, 0 keys/s"},
		{"reason", job{ID: 1, Kind: "migrate", State: "paused", SlotsTotal: 3, SlotsDone: 3, Bytes: 5 << 20, Reason: "x"},
			"job 1 migrate paused [####################] 100% 3/3 slots, 0 keys, 5M, 0 keys/s: x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := progressLine(tt.j); got != tt.want {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 1023: "1023", 1024: "1K", 1536: "1.5K", 1000 << 10: "0.977M", 5 << 30: "5G", 1 << 62: "4E"} {
		if got := size(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	for text, want := range map[string]string{"abcde": "abcde", "abcdef": "ab...", "éééééé": "éé..."} {
		if got := cut(text, 5); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}
