package router

import "errors"

// errBackendUnrecorded is returned to requests for a master that is another process
// than the table says.
var errBackendUnrecorded = errors.New("the server has restarted and may have lost data, it is not used before the leader has looked at it, see CODIS.GROUPS; nothing was sent")

// recorded says whether the process at the other end of a connection is the one that
// the table knows as the group's master. A master that has come back with less than
// it had must not be used (SAFETY F4): the leader decides, and records the run ID if
// it may be, within a second or so. Until then requests wait in the connection's
// queue. A table without run ID knows nothing, and without a lease there is no leader
// to wait for.
func (b *backend) recorded() bool {
	want := b.srv.recordedID
	return want == "" || want == b.runID || b.srv.role != roleMaster || !b.l.leased() || b.l.r.faults.trustRestarted
}

// awaitRecord has an opened connection wait for the table to know its server, unless
// that was in vain once.
func (b *backend) awaitRecord() {
	b.state, b.opening = backendUnrecorded, b.l.now
	if b.srv.refused == b.runID {
		b.refuse()
	}
}

// refuse gives up a connection to a server that the table does not know.
func (b *backend) refuse() {
	b.srv.refused = b.runID
	b.srv.backOff(errBackendUnrecorded)
	b.giveUp(errBackendUnrecorded)
}

// recheckRecords ends the connections that were opened to unknown processes while
// there was no lease.
func (l *loop) recheckRecords() {
	for _, s := range l.servers {
		for _, b := range s.allConns() {
			if b.state == backendReady && !b.recorded() {
				b.giveUp(errBackendClosed)
			}
		}
	}
}

// adoptRecords takes the run IDs of a new table, and goes on with the connections
// that waited for them.
func (l *loop) adoptRecords(t *table) {
	for i, s := range l.servers {
		s.recordedID = t.runIDs[i]
		for _, b := range s.allConns() {
			if b.state == backendUnrecorded && b.recorded() {
				b.begin()
			}
		}
		if s.lastErr == errBackendUnrecorded && (s.recordedID == s.refused || s.role != roleMaster) {
			s.failures, s.lastErr = 0, nil
		}
	}
}
