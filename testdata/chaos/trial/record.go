package trial

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// VerdictKind says what a finding is.
type VerdictKind string

const (
	// Lost: an acknowledged write is not there.
	Lost VerdictKind = "acknowledged write lost"
	// Resurrected: what was deleted or has expired is back.
	Resurrected VerdictKind = "key resurrected"
	// Wrong is anything else that no correct server does.
	Wrong VerdictKind = "violation"
)

// Finding is one thing that went wrong, and the history that shows it.
type Finding struct {
	Kind    VerdictKind
	Text    string
	History []string
}

// recorder collects findings and the course of events.
type recorder struct {
	begin time.Time

	mu       sync.Mutex
	out      io.Writer
	findings []Finding
	events   []string
	counts   map[string]int
}

func newRecorder(out io.Writer) *recorder {
	return &recorder{begin: time.Now(), out: out, counts: map[string]int{}}
}

// now is the time since the begin, monotonic.
func (r *recorder) now() int64 { return int64(time.Since(r.begin)) }

// sinceBegin is now of a time in Unix milliseconds.
func (r *recorder) sinceBegin(ms int64) int64 { return int64(time.UnixMilli(ms).Sub(r.begin.Round(0))) }

// stamp writes a time of now.
func stamp(at int64) string { return fmt.Sprintf("%9.3f s", float64(at)/1e9) }

// event notes what the trial did, for the reader of a finding.
func (r *recorder) event(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	line := stamp(r.now()) + "  " + fmt.Sprintf(format, args...)
	r.events = append(r.events, line)
	fmt.Fprintln(r.out, line)
}

// count adds to a figure.
func (r *recorder) count(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[name]++
}

// maxTold bounds the findings whose history is printed.
const maxTold = 20

func (r *recorder) found(kind VerdictKind, history []string, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := Finding{Kind: kind, Text: clip(fmt.Sprintf(format, args...)), History: slices.Clone(history)}
	r.findings = append(r.findings, f)
	if len(r.findings) > maxTold {
		return
	}
	fmt.Fprintf(r.out, "%s  %s: %s\n", stamp(r.now()), f.Kind, f.Text)
	for _, line := range f.History {
		fmt.Fprintf(r.out, "        %s\n", line)
	}
}

// clip keeps a line readable.
func clip(text string) string {
	const most = 400
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}
