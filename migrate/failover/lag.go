package failover

import "time"

// track is where a master's replication offset was at its last two observations.
type track struct {
	replID     string
	prev, last sample
}

type sample struct {
	at     time.Time
	offset int64
}

// after adds an observation of a master. A new history starts a new track.
func (t track) after(o observation) track {
	if o.replication == nil {
		return t
	}
	if o.replication.Role != RoleMaster {
		return track{}
	}
	now := sample{at: o.at, offset: o.replication.Offset}
	if o.replication.ReplID != t.replID || now.offset < t.last.offset {
		return track{replID: o.replication.ReplID, prev: now, last: now}
	}
	t.prev, t.last = t.last, now
	return t
}

// offsetAt estimates the offset at a moment near the observations, on a straight
// line through them: servers are probed at different times within a second, and
// a second's writes can be more than the lag that is asked for. It never
// estimates less than a replica could prove: before prev it answers prev.
func (t track) offsetAt(at time.Time) int64 {
	span := t.last.at.Sub(t.prev.at)
	if span <= 0 || !at.After(t.prev.at) {
		return t.prev.offset
	}
	share := float64(at.Sub(t.prev.at)) / float64(span)
	return t.prev.offset + int64(share*float64(t.last.offset-t.prev.offset))
}

// relate fills Follows and LagBytes of every server from what all of them said.
// An answer about a master that is older than maxAge beside the replica's own
// gives no lag: writes may have been made that this node can't know of. Pure.
func relate(healths map[string]Health, tracks map[string]track, maxAge time.Duration) {
	masters := make(map[string]string, len(healths)) // replid -> address, "" when two claim it
	for addr, h := range healths {
		if h.Role != RoleMaster || h.ReplID == "" {
			continue
		}
		if _, taken := masters[h.ReplID]; taken {
			addr = ""
		}
		masters[h.ReplID] = addr
	}
	for addr, h := range healths {
		h.Follows, h.LagBytes = "", LagUnknown
		switch h.Role {
		case RoleMaster:
			h.LagBytes = 0
		case RoleReplica:
			h.Follows = masters[h.ReplID]
			master, known := tracks[h.Follows]
			if age := h.At.Sub(master.last.at); known && h.Follows != "" && age.Abs() <= maxAge {
				h.LagBytes = max(0, master.offsetAt(h.At)-h.Offset)
			}
		}
		healths[addr] = h
	}
}
