package resptest

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

// module is the prefix of the functions whose goroutines are looked for.
const module = "codis/"

// CheckLeaks fails the test when goroutines of this module that were not there
// at the call are left after it. Call it first, so that its check runs after
// every other clean-up; not in parallel tests, which see each other.
func CheckLeaks(tb testing.TB) {
	tb.Helper()
	before := goroutines()
	tb.Cleanup(func() {
		var left []string
		for wait := time.Millisecond; wait < 2*time.Second; wait *= 2 {
			left = left[:0]
			for id, stack := range goroutines() {
				if _, old := before[id]; !old {
					left = append(left, stack)
				}
			}
			if len(left) == 0 {
				return
			}
			time.Sleep(wait) // a goroutine that was told to end may still be on its way
		}
		tb.Errorf("%d goroutines are left:\n%s", len(left), strings.Join(left, "\n\n"))
	})
}

// goroutines are the stacks of this module's goroutines by the line that names
// them, without those that run tests.
func goroutines() map[string]string {
	buf := make([]byte, 64<<10)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	found := make(map[string]string)
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		name, rest, _ := strings.Cut(stack, " [")
		if strings.Contains(rest, module) && !strings.Contains(rest, "testing.tRunner(") &&
			!strings.Contains(rest, "testing.(*F).Fuzz") {
			found[name] = stack
		}
	}
	return found
}
