package password

import (
	"fmt"
	"testing"
	"time"
)

// TestWrongPasswordsCost: the delay of a host doubles with each wrong password up to
// a bound, is forgotten after a while, and is another host's business only there.
func TestWrongPasswordsCost(t *testing.T) {
	t.Parallel()
	var f Failures
	now := time.Unix(1000, 0)
	want := firstDelay
	for i := range 20 {
		// The port is another one each time: what counts is the host.
		if got := f.Next(fmt.Sprintf("10.0.0.1:%d", i), now); got != want {
			t.Fatalf("failure %d costs %v, want %v", i+1, got, want)
		}
		want = min(2*want, maxDelay)
		now = now.Add(time.Second)
	}
	for _, addr := range []string{"10.0.0.2:1", "[::1]:1", "/run/codis.sock:0"} {
		if got := f.Next(addr, now); got != firstDelay {
			t.Errorf("the first failure of %s costs %v", addr, got)
		}
	}
	if got := f.Next("10.0.0.1:9", now.Add(forgiveAfter-time.Second)); got != maxDelay {
		t.Errorf("costs %v before it is forgotten", got)
	}
	if got := f.Next("10.0.0.1:9", now.Add(3*forgiveAfter)); got != firstDelay {
		t.Errorf("costs %v after it is forgotten", got)
	}
	for i := range 3 * maxRemembered {
		f.Next(fmt.Sprintf("10.1.%d.%d:1", i/256, i%256), now)
	}
	if len(f.hosts) > maxRemembered {
		t.Errorf("%d hosts are remembered", len(f.hosts))
	}
}

func TestEqual(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		given, want string
		same        bool
	}{{"", "", true}, {"a", "a", true}, {"a", "b", false}, {"a", "aa", false}, {"", "a", false}} {
		if got := Equal([]byte(tt.given), tt.want); got != tt.same {
			t.Errorf("%q and %q: got %v", tt.given, tt.want, got)
		}
	}
}
