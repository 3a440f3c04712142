package topology

import "fmt"

// Phase says what is happening to a slot.
//
//	PhaseUnassigned --SlotsAssign--> PhaseServing
//	PhaseMigrating --SlotsReverse--> PhaseHolding, the other way
//	PhaseServing --SlotsHold--> PhaseHolding --SlotsMigrate--> PhaseMigrating --SlotsDone--> PhaseServing (at Target)
//	                            PhaseHolding --SlotsRelease--> PhaseServing (at Group)
type Phase uint8

const (
	// PhaseUnassigned: no group owns the slot; requests are refused.
	PhaseUnassigned Phase = iota
	// PhaseServing: the slot's group answers.
	PhaseServing
	// PhaseHolding: the slot's keys are at Group and will go to Target; nodes let
	// requests wait, so that no node writes at Group any more when the hold ends.
	PhaseHolding
	// PhaseMigrating: keys go from Group to Target; each key is read and written at
	// Target only, and is fetched there first. Fenced with the slot's Epoch.
	PhaseMigrating
)

var phaseNames = [...]string{
	PhaseUnassigned: "unassigned", PhaseServing: "serving", PhaseHolding: "holding", PhaseMigrating: "migrating",
}

// String returns the word that CODIS.SLOTS and snapshots use.
func (p Phase) String() string {
	if int(p) < len(phaseNames) {
		return phaseNames[p]
	}
	return fmt.Sprintf("phase(%d)", uint8(p))
}

// MarshalText implements encoding.TextMarshaler.
func (p Phase) MarshalText() ([]byte, error) {
	if int(p) >= len(phaseNames) {
		return nil, fmt.Errorf("phase %d has no name", uint8(p))
	}
	return []byte(phaseNames[p]), nil
}

// UnmarshalText implements encoding.TextUnmarshaler. A phase of a newer version
// is an error: a node that does not know it must not guess who serves the slot.
func (p *Phase) UnmarshalText(text []byte) error {
	for i, name := range phaseNames {
		if name == string(text) {
			*p = Phase(i)
			return nil
		}
	}
	return fmt.Errorf("unknown phase %q", text)
}
