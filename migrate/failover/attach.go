package failover

import (
	"fmt"
)

// Attach is the question whether a server may join a group.
type Attach struct {
	// Candidate is what Inspect said of the server.
	Candidate Facts
	// Master is what Inspect said of the group's master; nil when the candidate is
	// to be the master.
	Master *Facts
	// Force is a person's word that the candidate may lose its data or its present
	// master.
	Force bool
}

// Action is what has to be done to the candidate before it may be attached.
type Action uint8

const (
	// ActionNone: attach it as it is.
	ActionNone Action = iota
	// ActionFollow: make it follow the group's master (Follow).
	ActionFollow
)

func (a Action) String() string {
	if a == ActionFollow {
		return "follow"
	}
	return "none"
}

// Verdict is the answer when the server may be attached.
type Verdict struct {
	Action Action
	// Notes say what will be done, Warnings what a person should look at; one line
	// of text each, to be shown before the action.
	Notes, Warnings []string
}

// CheckAttach decides from facts alone whether and how a server may join a
// group; errors are *Error. That a server is in no other group is the
// replicated state's to know, not asked here.
func CheckAttach(a Attach) (Verdict, error) {
	if a.Candidate.Loading {
		// The numbers of keys that the verdict stands on are not complete.
		return Verdict{}, &Error{Addr: a.Candidate.Addr, Kind: ErrLoading, Text: "it is still loading its data", Hint: "try again when it is done"}
	}
	if a.Master == nil {
		return checkMaster(a.Candidate)
	}
	return checkReplica(a.Candidate, *a.Master, a.Force)
}

func checkMaster(c Facts) (Verdict, error) {
	if c.Role != RoleMaster {
		return Verdict{}, &Error{Addr: c.Addr, Kind: ErrNotMaster, Text: "it is a replica of " + c.MasterAddr,
			Hint: "give " + c.MasterAddr + " as the master, or make it a master first with REPLICAOF NO ONE"}
	}
	return Verdict{}, nil
}

func checkReplica(c, master Facts, force bool) (Verdict, error) {
	refuse := func(kind error, text, hint string) (Verdict, error) {
		return Verdict{}, &Error{Addr: c.Addr, Kind: kind, Text: text, Hint: hint}
	}
	follow := func(format string, args ...any) (Verdict, error) {
		return Verdict{Action: ActionFollow, Notes: []string{fmt.Sprintf(format, args...)}, Warnings: compare(c, master)}, nil
	}
	switch {
	case master.Role != RoleMaster:
		return Verdict{}, &Error{Addr: master.Addr, Kind: ErrChain, Text: "the group's master is itself a replica of " + master.MasterAddr,
			Hint: "make it a master first with REPLICAOF NO ONE"}
	case c.RunID != "" && c.RunID == master.RunID:
		return refuse(ErrSameServer, "it is the same server as the master "+master.Addr, "give the address of another server")
	case c.Replicas > 0:
		return refuse(ErrChain, fmt.Sprintf("it has %d replicas of its own, and replicas of replicas are not supported", c.Replicas),
			"point them at "+master.Addr+" first")
	case c.Role == RoleReplica:
		return checkFollower(c, master, force)
	case c.Role != RoleMaster:
		return refuse(ErrNotRedis, "its role is not known", "inspect it again")
	}
	// A master in its own right: its data is replaced when it is made to follow.
	switch keys := c.TotalKeys(); {
	case keys == 0:
		return follow("%s is an empty master: it is made a replica of %s", c.Addr, master.Addr)
	case force:
		return follow("%s is a master with %d keys: they are DELETED, it is made a replica of %s", c.Addr, keys, master.Addr)
	default:
		return refuse(ErrHasKeys, fmt.Sprintf("it is a master with %d keys, which would be deleted", keys),
			"empty it with FLUSHALL if they are not needed, or say FORCE")
	}
}

// checkFollower is about a candidate that is a replica already, of whomever.
func checkFollower(c, master Facts, force bool) (Verdict, error) {
	v := Verdict{Warnings: compare(c, master)}
	switch lineageOf(c, master) {
	case lineageOurs:
		switch {
		case c.LinkUp:
		case c.Syncing:
			v.Warnings = append(v.Warnings, c.Addr+" is still copying the data of "+master.Addr)
		default:
			v.Action = ActionFollow
			v.Notes = append(v.Notes, fmt.Sprintf("%s follows %s but its link is down: its credentials are set again", c.Addr, master.Addr))
		}
		return v, nil
	case lineageLikely:
		v.Warnings = append(v.Warnings, fmt.Sprintf("%s follows %s, which can't be asked from here; it has the history of %s, so that is taken to be the same server",
			c.Addr, c.MasterAddr, master.Addr))
		return v, nil
	case lineageChain:
		if !force {
			return Verdict{}, &Error{Addr: c.Addr, Kind: ErrChain, Text: "it follows " + c.MasterAddr + ", which is itself a replica",
				Hint: "point it at " + master.Addr + " with REPLICAOF, or say FORCE"}
		}
	default:
		if !force {
			text := "it follows " + c.MasterAddr + ", not the group's master " + master.Addr
			if c.MasterAddr == master.Addr {
				text = "it follows a server that is " + c.MasterAddr + " to it, but not the one that is " + master.Addr + " here"
			}
			return Verdict{}, &Error{Addr: c.Addr, Kind: ErrOtherMaster, Text: text,
				Hint: "point it at " + master.Addr + " with REPLICAOF, or say FORCE: its data is replaced"}
		}
	}
	v.Action = ActionFollow
	v.Notes = append(v.Notes, fmt.Sprintf("%s follows %s: it is made a replica of %s and its data is replaced", c.Addr, c.MasterAddr, master.Addr))
	return v, nil
}

// lineage is whom a replica follows, seen from a group.
type lineage uint8

const (
	lineageOther  lineage = iota
	lineageOurs           // the group's master, directly
	lineageLikely         // the same history, through an address that can't be asked from here
	lineageChain          // a replica
)

func lineageOf(c, master Facts) lineage {
	sameHistory := c.LinkUp && c.ReplID != "" && c.ReplID == master.ReplID
	switch {
	case c.LinkUp && !sameHistory:
		// Whatever the address says: 127.0.0.1 is another server on another host.
		return lineageOther
	case c.MasterRunID != "" && c.MasterRunID == master.RunID:
		return lineageOurs
	case c.MasterRole == RoleReplica:
		return lineageChain
	case c.MasterRunID == "" && c.MasterAddr == master.Addr:
		return lineageOurs
	case c.MasterRunID == "" && sameHistory:
		return lineageLikely
	default:
		// Even with the same text as address: another server answered there.
		return lineageOther
	}
}

// compare lists what is odd about a replica beside its master.
func compare(c, master Facts) []string {
	var warnings []string
	cv, _ := ParseVersion(c.Version)
	mv, _ := ParseVersion(master.Version)
	cp, _ := ParseVersion(c.ProductVersion)
	mp, _ := ParseVersion(master.ProductVersion)
	switch {
	case c.Product != master.Product:
		warnings = append(warnings, fmt.Sprintf("%s is %s and its master %s is %s: they may not read each other's data",
			c.Addr, c.VersionText(), master.Addr, master.VersionText()))
	case older(cv, mv), older(cp, mp):
		warnings = append(warnings, fmt.Sprintf("%s (%s) is older than its master %s (%s): it may not be able to read its data",
			c.Addr, c.VersionText(), master.Addr, master.VersionText()))
	}
	if c.Databases > 0 && c.Databases < master.Databases {
		warnings = append(warnings, fmt.Sprintf("%s has %d databases and its master %s has %d: writes to the missing ones break replication",
			c.Addr, c.Databases, master.Addr, master.Databases))
	}
	return warnings
}

func older(v, w Version) bool { return v.Less(w) && !v.sameSeries(w) }
