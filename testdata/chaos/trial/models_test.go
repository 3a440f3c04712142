package trial

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"codis/router/resp/resptest"
)

// TestModelsAgreeWithRedis compares every model with a real server: a model that
// is wrong would find faults where there are none.
func TestModelsAgreeWithRedis(t *testing.T) {
	resptest.Needs(t, 7, 0)
	c := resptest.StartRedis(t).Client(t)
	for _, kind := range kinds() {
		t.Run(kind, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			o := newObject(kind, kind, 0, 0)
			used := map[string]bool{}
			for i := range 2000 {
				change := o.model.next(r, o.keys(), "t"+strconv.Itoa(i))
				used[change.cmd[0]] = true
				o.begin(change, int64(2*i))
				reply, err := c.Do(t.Context(), change.cmd...)
				if err != nil {
					t.Fatal(err)
				}
				if o.end(change, done, reply, int64(2*i), int64(2*i+1)) {
					t.Fatalf("%v was answered %s, want %s", change.cmd, flat(reply), change.want)
				}
				seen, err := c.Do(t.Context(), o.model.read(o.keys())...)
				if err != nil {
					t.Fatal(err)
				}
				if got := flat(seen); got != o.model.digest() || !o.allows(got, int64(2*i+1), int64(2*i+1)) {
					t.Fatalf("after %v: got %s, want %s", change.cmd, got, o.model.digest())
				}
			}
			t.Logf("%d commands: %v", len(used), used)
		})
	}
}
