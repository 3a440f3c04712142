package demo

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The whole of Run needs the codis binary: the main package's tests run it.

func TestRunRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Options)
		want   string
	}{
		{"no redis-server", func(o *Options) { o.RedisServer = "/no/such/redis-server" }, "--redis-server"},
		{"bad shape", func(o *Options) { o.Nodes = 0 }, "--nodes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			o := Options{Shape: DefaultShape(), Dir: t.TempDir(), RedisServer: "redis-server", Codis: "/no/such/codis", Out: &out}
			tt.change(&o)
			err := Run(t.Context(), o)
			if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error about %s", err, tt.want)
			}
		})
	}
}

func TestRunStopsWhatItStarted(t *testing.T) {
	var out bytes.Buffer
	dir := t.TempDir()
	err := Run(t.Context(), Options{
		Shape: Shape{Port: 7490, Nodes: 1, Groups: 1}, Dir: dir,
		RedisServer: "redis-server", Codis: "/no/such/codis", Out: &out,
	})
	if err == nil || !strings.Contains(err.Error(), "node n1") {
		t.Fatalf("got %v, want an error that names the node", err)
	}
	l, _, err := recall(dir)
	if err != nil {
		t.Fatal(err)
	}
	ports := holder{}
	defer ports.releaseAll()
	if err := l.fits(l.Shape, dir, ports.take); err != nil {
		t.Errorf("a port is still in use: %v", err)
	}
	logs, err := filepath.Glob(filepath.Join(dir, "logs", "redis-server-*.log"))
	if err != nil || len(logs) != 1 {
		t.Fatalf("got logs %q, %v", logs, err)
	}
	if text, err := os.ReadFile(logs[0]); err != nil || !bytes.Contains(text, []byte("Ready to accept")) {
		t.Errorf("got log %q, %v", text, err)
	}
}
