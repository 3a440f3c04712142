package demo

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"codis/raftstore/topology"
)

func allFree(int) bool { return true }

func busy(ports ...int) func(int) bool {
	return func(p int) bool { return !slices.Contains(ports, p) }
}

func TestNewLayout(t *testing.T) {
	small := Shape{Port: 7000, Nodes: 2, Groups: 2, Replicas: 1}
	tests := []struct {
		name  string
		shape Shape
		free  func(int) bool
		want  string // client, peer, HTTP of each node; servers of each group
		notes int
	}{
		{"all free", small, allFree, "7000 17000 27000 7001 17001 27001 7100 7101 7102 7103", 0},
		{"no replicas", Shape{Port: 7000, Nodes: 1, Groups: 2}, allFree, "7000 17000 27000 7100 7101", 0},
		{"busy ones move past the others", small, busy(7000, 7101), "7002 17000 27000 7001 17001 27001 7100 7104 7102 7103", 2},
		{"two busy", small, busy(7000, 7001, 7002), "7003 17000 27000 7004 17001 27001 7100 7101 7102 7103", 2},
		{"nodes reach into the servers' ports", Shape{Port: 7099, Nodes: 2, Groups: 1}, allFree, "7099 17099 27099 7100 17100 27100 7199", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, notes, err := newLayout(tt.shape, tt.free)
			if err != nil {
				t.Fatal(err)
			}
			var ports []string
			for _, addr := range l.all() {
				ports = append(ports, portOf(addr))
			}
			if got := strings.Join(ports, " "); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if len(notes) != tt.notes {
				t.Errorf("got notes %q, want %d", notes, tt.notes)
			}
		})
	}
	if _, _, err := newLayout(small, func(int) bool { return false }); err == nil {
		t.Error("no port is free: got no error")
	}
}

func TestShapeValidate(t *testing.T) {
	for name, change := range map[string]func(*Shape){
		"--nodes":    func(s *Shape) { s.Nodes = 0 },
		"--groups":   func(s *Shape) { s.Groups = 51 },
		"--replicas": func(s *Shape) { s.Replicas = -1 },
		"--port":     func(s *Shape) { s.Port = 50000 },
	} {
		s := DefaultShape()
		change(&s)
		if err := s.validate(); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want an error about %s", err, name)
		}
	}
	if err := DefaultShape().validate(); err != nil {
		t.Error(err)
	}
}

func TestRecall(t *testing.T) {
	dir := t.TempDir()
	if _, found, err := recall(dir); found || err != nil {
		t.Fatalf("empty directory: got %v, %v", found, err)
	}
	l, _, err := newLayout(Shape{Port: 7390, Nodes: 1, Groups: 1}, allFree)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.record(dir); err != nil {
		t.Fatal(err)
	}
	got, found, err := recall(dir)
	if err != nil || !found || !reflect.DeepEqual(got, l) {
		t.Fatalf("got %+v, %v, %v, want %+v", got, found, err, l)
	}
	other := l.Shape
	other.Nodes = 3
	if err := got.fits(other, dir, allFree); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "--nodes 1") {
		t.Errorf("another shape: got %v", err)
	}
	if err := got.fits(l.Shape, dir, allFree); err != nil {
		t.Errorf("the same shape: got %v", err)
	}
	if err := got.fits(l.Shape, dir, busy(27390)); err == nil || !strings.Contains(err.Error(), "27390") {
		t.Errorf("a busy port: got %v", err)
	}
}

func TestKeyOfEachSlot(t *testing.T) {
	for slot, key := range keyOfEachSlot() {
		if got := topology.SlotOf([]byte(key)); got != slot {
			t.Errorf("key %q: got slot %d, want %d", key, got, slot)
		}
	}
}

func TestHolder(t *testing.T) {
	h := holder{}
	defer h.releaseAll()
	port := 7395
	for ; !h.take(port); port++ {
		if port > 7500 {
			t.Fatal("no port is free")
		}
	}
	if !h.take(port) {
		t.Error("a port that is held is not ours")
	}
	if (holder{}).take(port) {
		t.Error("a port that is held is free for others")
	}
	h.release(loopback(port))
	other := holder{}
	defer other.releaseAll()
	if !other.take(port) {
		t.Error("a port that was released is not free")
	}
}
