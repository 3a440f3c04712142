package topology

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDefinitions(t *testing.T) {
	if !slices.IsSortedFunc(Definitions(), func(a, b Setting) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the table is not sorted by name")
	}
	for _, d := range Definitions() {
		if err := CheckSetting(d.Name, d.Default); err != nil {
			t.Errorf("the default is not valid: %v", err)
		}
		if d.Help == "" {
			t.Errorf("%s has no help", d.Name)
		}
	}
}

func TestSettingsGetters(t *testing.T) {
	s := Settings{"timeout": "1m", "maxclients": "7", "dump-restore": "yes", "replica-max-lag": "64kb", "backend-user": "app"}
	for name, c := range map[string]struct{ got, want any }{
		"text":             {s.Text("backend-user"), "app"},
		"text default":     {s.Text("read-from"), "master"},
		"bool":             {s.Bool("dump-restore"), true},
		"bool default":     {s.Bool("flush-commands"), true},
		"int":              {s.Int("maxclients"), 7},
		"int default":      {s.Int("max-args"), 1048576},
		"bytes":            {s.Bytes("replica-max-lag"), int64(65536)},
		"bytes default":    {s.Bytes("proto-max-bulk-len"), int64(512 << 20)},
		"duration":         {s.Duration("timeout"), time.Minute},
		"duration default": {s.Duration("tcp-keepalive"), 300 * time.Second},
		"nil map":          {Settings(nil).Duration("timeout"), time.Duration(0)},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %v, want %v", name, c.got, c.want)
		}
	}
}

func TestBytes(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "4096": 4096, "64kb": 65536, "10MB": 10 << 20, "1gb": 1 << 30, "1k": 1000, "2m": 2e6, "1g": 1e9, "12b": 12,
	} {
		if got, ok := ParseBytes(text); !ok || got != want {
			t.Errorf("ParseBytes(%q) = %d, %v, want %d", text, got, ok, want)
		}
		if back, ok := ParseBytes(FormatBytes(want)); !ok || back != want {
			t.Errorf("FormatBytes(%d) = %q", want, FormatBytes(want))
		}
	}
	for _, text := range []string{"", "kb", "-1", "1.5gb", "1tb", "9999999999gb", "0x10", "1 kb"} {
		if got, ok := ParseBytes(text); ok {
			t.Errorf("ParseBytes(%q) = %d, want a refusal", text, got)
		}
	}
}
