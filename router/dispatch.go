package router

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"codis/raftstore/topology"
	"codis/router/command"
	"codis/router/resp"
)

var (
	errCrossSlot = errors.New("CROSSSLOT Keys in request don't hash to the same slot")
	// errNoTable is returned before the node has seen a slot table.
	errNoTable = errors.New("CLUSTERDOWN this node has no slot table yet: it has not joined a cluster, see CODIS.INFO")
)

const (
	noAuthText   = "-NOAUTH Authentication required.\r\n"
	flushOffText = "-ERR FLUSHDB and FLUSHALL are switched off, see CODIS.CONFIG SET flush-commands yes\r\n"
	dumpOffText  = "-ERR DUMP and RESTORE are switched off, see CODIS.CONFIG SET dump-restore yes\r\n"
	adminPrefix  = "codis."
	peerQuestion = "codis.peer"
	attackVerb   = "post"
	attackHeader = "host:"
)

// dispatch starts one request. args and frame are only valid until it returns:
// frame is the request as it goes to a backend.
func (s *session) dispatch(args [][]byte, frame []byte) {
	s.commands++
	switch s.reply {
	case replySkip:
		s.reply = replyOn
	case replySkipNext:
		s.reply = replySkip
	}
	cmd := command.Lookup(args[0])
	if cmd == nil {
		s.dispatchOther(args)
		return
	}
	if cmd.Subs != nil {
		if cmd = cmd.Resolve(args); cmd == nil {
			if s.allowed(nil) {
				s.answer(nil, command.AppendUnknown(nil, args))
			}
			return
		}
	}
	s.lastCommand = cmd
	if !s.authed && !s.allowed(cmd) {
		return
	}
	if !cmd.CheckArity(len(args)) {
		s.answer(cmd, cmd.AppendArityError(nil))
		return
	}
	switch cmd.Policy {
	case command.PolicyRoute:
		s.route(cmd, args, frame)
	case command.PolicySplit:
		s.split(cmd, args, frame)
	case command.PolicyLocal:
		s.local(cmd, args)
	case command.PolicyBroadcast:
		s.broadcast(cmd, frame)
	case command.PolicyAny:
		s.forwardAny(cmd, frame)
	default: // refused, now or for good
		s.answer(cmd, cmd.AppendText(nil))
	}
}

// allowed says whether the session may run the command, and answers if not.
func (s *session) allowed(cmd *command.Command) bool {
	if s.authed || cmd != nil && cmd.Flags.Has(command.FlagNoAuth) {
		return true
	}
	s.answer(cmd, []byte(noAuthText))
	return false
}

// dispatchOther takes what the command table does not know: CODIS.* and strangers.
func (s *session) dispatchOther(args [][]byte) {
	name := bytes.ToLower(args[0])
	switch {
	case string(name) == attackVerb || string(name) == attackHeader:
		s.l.complain("possible cross-protocol attack: an HTTP request came in on the client port, closed", "client", s.addr)
		s.abort()
	case string(name) == peerQuestion: // a node that joins has no password, only the secret
		s.admin(args)
	case !s.allowed(nil):
	case bytes.HasPrefix(name, []byte(adminPrefix)):
		s.admin(args)
	default:
		s.answer(nil, command.AppendUnknown(nil, args))
	}
}

// admin runs a CODIS.* command on a goroutine.
func (s *session) admin(args [][]byte) {
	own := cloneArgs(args)
	caller := s.caller()
	s.park(command.FamilyCodis, func(ctx context.Context) []byte {
		return s.l.r.admin.ServeRESP(ctx, caller, own)
	})
}

// caller is who the history names for what this session changes.
func (s *session) caller() string {
	if s.name != "" {
		return s.name + "@" + s.addr
	}
	return s.addr
}

// park runs work on a goroutine; until it has answered, the session takes no
// further request, so that work sees what the client asked before it.
func (s *session) park(family command.Family, work func(ctx context.Context) []byte) {
	l := s.l
	q := l.newRequest(s, uint8(family))
	q.state = requestParked
	q.silent = s.silent()
	s.enqueue(q)
	s.pause |= pauseParked
	l.r.spawn(func(ctx context.Context) {
		reply := work(ctx)
		l.post(func() {
			waiting := q.sess
			l.complete(q, reply)
			if waiting != nil {
				waiting.unpause(pauseParked)
			}
		})
	})
}

func cloneArgs(args [][]byte) [][]byte {
	own := make([][]byte, len(args))
	for i, arg := range args {
		own[i] = bytes.Clone(arg)
	}
	return own
}

// route sends a command whose keys are all in one slot to that slot's group.
func (s *session) route(cmd *command.Command, args [][]byte, frame []byte) {
	slot := 0
	if cmd.Key != 0 {
		slot = topology.SlotOf(args[cmd.Key])
	} else {
		keys, err := cmd.AppendKeys(s.l.keys[:0], args)
		s.l.keys = keys[:0]
		if err != nil {
			s.fail(cmd, err)
			return
		}
		if len(keys) == 0 {
			s.forwardAny(cmd, frame)
			return
		}
		slot = topology.SlotOf(args[keys[0]])
		for _, key := range keys[1:] {
			if topology.SlotOf(args[key]) != slot {
				s.fail(cmd, errCrossSlot)
				return
			}
		}
	}
	if cmd.Flags&(command.FlagCheck|command.FlagDumpRestore) != 0 {
		if !s.permitted(cmd) {
			return
		}
		if err := cmd.Check(args, topology.SlotOf); err != nil {
			s.fail(cmd, err)
			return
		}
	}
	r := s.l.table.slots[slot]
	if r == nil {
		s.fail(cmd, s.l.noOwner(slot))
		return
	}
	s.forward(cmd, s.l.servers[s.pick(r, cmd)], frame)
}

// permitted checks the settings that switch commands on and off.
func (s *session) permitted(cmd *command.Command) bool {
	switch limits := &s.l.table.limits; {
	case cmd.Flags.Has(command.FlagDumpRestore) && !limits.dumpRestore:
		s.answer(cmd, []byte(dumpOffText))
	case cmd.Flags.Has(command.FlagFlush) && !limits.flush:
		s.answer(cmd, []byte(flushOffText))
	default:
		return true
	}
	return false
}

// pick returns the index of the server of a group that answers a command:
// the master, or for reads what the session or the cluster prefers.
func (s *session) pick(r *route, cmd *command.Command) int {
	want := s.readFrom
	if want == readDefault {
		want = s.l.table.readFrom
	}
	if want == readMaster || !cmd.Flags.Has(command.FlagReadonly) {
		return r.master
	}
	members := r.replicas
	if want == readNearest {
		members = r.nearest
	}
	if len(members) == 0 {
		return r.master
	}
	s.l.turn++
	return members[s.l.turn%uint64(len(members))]
}

// forward sends a whole command to one server.
func (s *session) forward(cmd *command.Command, srv *server, frame []byte) {
	b, err := srv.backend(s.db)
	if err == nil && b.busy() {
		err = errBackendBusy
	}
	if err != nil {
		s.answer(cmd, srv.appendError(nil, err))
		return
	}
	q := s.l.newRequest(s, uint8(cmd.Family))
	q.silent = s.silent()
	s.enqueue(q)
	b.send(q, frame)
}

// forwardAny sends a command to any one master; all of them give the same answer.
func (s *session) forwardAny(cmd *command.Command, frame []byte) {
	owners := s.l.table.owners
	if len(owners) == 0 {
		s.fail(cmd, s.l.noOwner(0))
		return
	}
	s.forward(cmd, s.l.servers[owners[0]], frame)
}

// fail answers with an error whose text begins with its code word.
func (s *session) fail(cmd *command.Command, err error) {
	s.answer(cmd, resp.AppendError(nil, err.Error()))
}

// noOwner says why a slot has no group.
func (l *loop) noOwner(slot int) error {
	if l.table.epoch == 0 {
		return errNoTable
	}
	return fmt.Errorf("CLUSTERDOWN slot %d is not assigned to a group: see CODIS.SLOTS and CODIS.ASSIGN", slot)
}
