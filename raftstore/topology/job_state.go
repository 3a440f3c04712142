package topology

import (
	"fmt"
	"slices"
)

// JobKind says what a job was made for.
type JobKind string

const (
	// JobMigrate is a range of slots that was asked for.
	JobMigrate JobKind = "migrate"
	// JobRebalance is a plan of PlanRebalance.
	JobRebalance JobKind = "rebalance"
	// JobReverse moves back what a cancelled job had begun to move.
	JobReverse JobKind = "reverse"
)

// JobState says what is happening to a job.
//
//	running <--JobSetState--> paused
//	running, paused --the last batch is cleaned, no move is left--> done
//	running, paused --JobSetState--> cancelling --the last batch is cleaned--> cancelled
//	running, paused --JobSetState, no batch is under way--> failed
type JobState string

const (
	// JobRunning: the leader moves slots.
	JobRunning JobState = "running"
	// JobPaused: no further batch begins; those under way stay as they are, and
	// requests for their keys are served all the same.
	JobPaused JobState = "paused"
	// JobCancelling: no further batch begins; those that are held are released,
	// those that migrate come to their end.
	JobCancelling JobState = "cancelling"
	// JobDone: all slots are at their targets.
	JobDone JobState = "done"
	// JobCancelled: what had not begun stays where it was.
	JobCancelled JobState = "cancelled"
	// JobFailed: the leader gave up; Reason says why.
	JobFailed JobState = "failed"
)

// Finished says whether a job is at its end: nothing will change it any more.
func (s JobState) Finished() bool { return s == JobDone || s == JobCancelled || s == JobFailed }

// BatchPhase says which step of a move a batch is at.
//
//	migrating --SlotsReverse, at a cancelled job's end--> holding, the other way
//	holding --SlotsMigrate--> migrating --SlotsDone--> cleaning --SlotsCleaned--> (gone)
//	holding --SlotsRelease--> cleaning
type BatchPhase string

const (
	// BatchHolding: the slots are PhaseHolding, nodes let requests wait.
	BatchHolding BatchPhase = "holding"
	// BatchMigrating: the slots are PhaseMigrating.
	BatchMigrating BatchPhase = "migrating"
	// BatchCleaning: the slots are served, at To after SlotsDone and at From after
	// SlotsRelease. Reserved keys of the epoch may be left at both groups.
	BatchCleaning BatchPhase = "cleaning"
)

// UnmarshalText implements encoding.TextUnmarshaler. A word of a newer version is
// an error, as it is for a Phase.
func (k *JobKind) UnmarshalText(text []byte) error {
	return decodeWord(k, text, JobMigrate, JobRebalance, JobReverse)
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *JobState) UnmarshalText(text []byte) error {
	return decodeWord(s, text, JobRunning, JobPaused, JobCancelling, JobDone, JobCancelled, JobFailed)
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *BatchPhase) UnmarshalText(text []byte) error {
	return decodeWord(p, text, BatchHolding, BatchMigrating, BatchCleaning)
}

func decodeWord[T ~string](into *T, text []byte, known ...T) error {
	if !slices.Contains(known, T(text)) {
		return fmt.Errorf("unknown word %q", clip(string(text)))
	}
	*into = T(text)
	return nil
}
