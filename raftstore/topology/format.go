package topology

import (
	"encoding/json"
	"fmt"
)

// Format is a version of the vocabulary of the replicated state: which commands,
// fields and settings there are, and what Apply makes of them. The state says by
// which one the cluster goes on (State.Format), the same on all nodes. It is
// raised by an entry, once every member runs a version that knows the next one, and
// never lowered: a mixed cluster writes nothing that its older nodes can't read.
//
//	1  groups, nodes, settings
//	2  jobs and moving slots
//	3  turns of groups, limits of jobs that change, and the entry that raises the format
//
// What is newer than oldestFormat says so: a body by since, a setting by Since. A new
// field is left out of JSON while it is zero. What an older command does changes
// only where the state holds something that older formats can't hold.
type Format int

const (
	// StateFormat is the newest one that this version knows.
	StateFormat Format = 3
	// oldestFormat is the one of clusters that have never been raised. What format 1
	// had is the same without jobs, so that states of that time are read as this one.
	oldestFormat Format = 2
)

// UnmarshalJSON refuses a format that this version does not know: a node must not
// go on behind the entry that raises the cluster to it.
func (f *Format) UnmarshalJSON(data []byte) error {
	var number int
	if err := json.Unmarshal(data, &number); err != nil {
		return err
	}
	if number < 1 || Format(number) > StateFormat {
		return fmt.Errorf("format %d, this version knows 1 to %d", number, StateFormat)
	}
	*f = Format(number)
	return nil
}

// newer is a body of which a format older than since knows nothing, or not all that
// is set.
type newer interface{ since() Format }

// Needs returns the oldest format with which every member can apply the command.
func (c Command) Needs() Format {
	if body, ok := c.Body.(newer); ok {
		return max(oldestFormat, body.since())
	}
	return oldestFormat
}

// Admit refuses a command that needs a newer format than the cluster's: some members
// could not go on behind its entry. A leader asks before it writes an entry.
func (s *State) Admit(c Command) error {
	// The first command brings the format with it.
	if _, first := c.Body.(ClusterInit); first || c.Body == nil || c.Needs() <= s.Format {
		return nil
	}
	return refuse(CodeUpgrade, "%s needs format %d, the cluster goes by format %d while nodes of an older version are members", c.Body.word(), c.Needs(), s.Format).
		hint("upgrade every node, CODIS.NODES shows their versions; the cluster follows by itself")
}

// The first entry of a log brings the format with it: its writer is alone.
func (b ClusterInit) since() Format { return b.Format }

func (TurnBegin) since() Format    { return 3 }
func (TurnDone) since() Format     { return 3 }
func (TurnAbandon) since() Format  { return 3 }
func (ForkMeasured) since() Format { return 3 }
func (GroupNote) since() Format    { return 3 }
func (JobLimit) since() Format     { return 3 }

// FormatRaise lets the cluster go by a newer format. The leader proposes it when
// every member has said that it knows that format.
type FormatRaise struct {
	Format Format `json:"format"`
}

func (b FormatRaise) word() string { return "format-raise" }

// Older versions must stop at this entry, so it needs no format itself: that every
// member knows b.Format is what its proposer has to know.

func (b FormatRaise) describe(*State) string {
	return fmt.Sprintf("all nodes know format %d: the cluster goes by it from now on", b.Format)
}

func (b FormatRaise) apply(s *State, _ Command, _ uint64) *Error {
	if b.Format <= s.Format {
		return refuse(CodeStale, "the cluster goes by format %d already", s.Format)
	}
	if b.Format > StateFormat {
		return refuse(CodeBadArg, "format %d is not known here", b.Format)
	}
	s.Format = b.Format
	return nil
}
