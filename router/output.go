package router

import "codis/router/command"

// release sends the replies that are known and whose turn it is.
func (s *session) release() {
	for q := s.head; q != nil && q.state == requestDone; q = s.head {
		s.pop()
		if !q.silent {
			s.write(q.reply)
		}
		s.l.freeRequest(q)
	}
	if s.finished() {
		s.markDirty()
	}
}

// answer sends a reply that the proxy made itself, in its turn. It copies b.
func (s *session) answer(cmd *command.Command, b []byte) {
	if cmd != nil {
		s.l.stats.observe(uint8(cmd.Family), 0, b)
	}
	if s.silent() {
		return
	}
	if s.head == nil {
		s.write(b)
		return
	}
	q := s.l.newRequest(s, 0)
	q.reply = s.l.pool.append(nil, b)
	s.enqueue(q)
	s.shelve(q)
}

// silent says whether the client asked for no reply to the command at hand.
func (s *session) silent() bool {
	return s.reply == replyOff || s.reply == replySkip
}

// shelve keeps a request with its reply until the replies before it are out. The
// request is gone when that was too much for its client.
func (s *session) shelve(q *request) {
	q.state = requestDone
	if s.shelved += len(q.reply); s.shelved > fairShare {
		s.checkOutput()
	}
}

// write appends a reply to what the round sends.
func (s *session) write(reply []byte) {
	if len(reply) >= directWrite {
		s.writeNow(reply)
		return
	}
	s.out = s.l.pool.append(s.out, reply)
	s.markDirty()
}

func (s *session) markDirty() {
	if !s.dirty {
		s.dirty = true
		s.l.dirtySessions = append(s.l.dirtySessions, s)
	}
}

// flush ends the session's round: it writes what has gathered and closes the
// session if it asked for that.
func (s *session) flush() {
	s.dirty = false
	if s.closed {
		return
	}
	if len(s.out) > 0 {
		s.writeNow(nil)
	}
	switch {
	case s.finished() && (s.unsent == 0 || s.aborted): // else when it has drained
		s.hangUp()
	case s.l.parting && s.atBoundary():
		s.conn.Close()
	}
}

// writeNow writes what is pending and then reply, with one system call. The
// connection keeps a copy of what the kernel does not take.
func (s *session) writeNow(reply []byte) {
	s.l.stats.bytesOut += uint64(len(s.out) + len(reply))
	s.conn.WriteBoth(s.out, reply)
	s.l.pool.put(s.out)
	s.out = nil
	s.checkOutput()
}

// checkOutput keeps the account of unsent bytes, closes a client that is over its
// limit and makes one that does not read wait.
func (s *session) checkOutput() {
	unsent := s.conn.Unsent()
	s.l.unsent += int64(unsent - s.unsent)
	s.unsent = unsent
	if unsent > 0 || s.stuckSince != 0 {
		s.noteReader()
	}
	waiting, limit := unsent+s.shelved, s.l.table.limits.outputBuffer
	switch {
	case !s.authed && waiting > fairShare: // CVE-2025-21605: strangers get no memory
		s.l.complain("client closed: it does not read and has not authenticated", "client", s.addr, "bytes", waiting)
		s.discard()
	case limit > 0 && int64(waiting) > limit:
		s.l.complain("client closed: output buffer limit reached", "client", s.addr, "bytes", waiting)
		s.discard()
	case waiting > fairShare && s.l.overMemory():
		s.l.complain("client closed: this node's memory for buffers is used up (node-memory-limit)", "client", s.addr, "bytes", waiting)
		s.discard()
	case waiting > outputHighWater && s.pause&pauseOutput == 0:
		s.pause |= pauseOutput
		s.read() // see readAhead
	case waiting == 0 && s.pause&pauseOutput != 0:
		s.unpause(pauseOutput)
	}
}

// Drained is called by the loop when the client has taken all that waited.
func (s *session) Drained() {
	s.checkOutput()
	if s.finished() || s.l.parting {
		s.markDirty()
	}
}
