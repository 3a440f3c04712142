package router

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/command"
	"codis/router/resp"
)

var (
	errCrossSlot = errors.New("CROSSSLOT Keys in request don't hash to the same slot")
	// errReserved is returned for keys that the cluster keeps for moving slots.
	errReserved = errors.New("ERR keys that begin with " + strconv.Quote(fence.Prefix) + " are reserved for moving slots")
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
// frame is the request as it goes to a backend. It returns false when the request
// can't be taken yet; the session is paused then, and the same request has to be
// dispatched again.
func (s *session) dispatch(args [][]byte, frame []byte) (taken bool) {
	cmd := command.Lookup(args[0])
	if cmd == nil {
		s.dispatchOther(args)
		return true
	}
	if cmd.Subs != nil {
		if cmd = cmd.Resolve(args); cmd == nil {
			if s.allowed(nil) {
				s.answer(nil, command.AppendUnknown(nil, args))
			}
			return true
		}
	}
	s.lastCommand = cmd
	switch {
	case s.limited && !s.allowed(cmd):
	case !cmd.CheckArity(len(args)):
		s.answer(cmd, cmd.AppendArityError(nil))
	case cmd.Policy == command.PolicyLocal:
		return s.local(cmd, args)
	case !cmd.Supported(): // refused, now or for good
		s.answer(cmd, cmd.AppendText(nil))
	case !s.l.leased() && s.l.bound(cmd):
		return s.withoutLease(cmd)
	case s.l.table.limits.durableReplicas > 0 && s.mustOrder(cmd):
		return false
	case cmd.Policy == command.PolicyRoute:
		return s.route(cmd, args, frame)
	case cmd.Policy == command.PolicySplit:
		return s.split(cmd, args, frame)
	case cmd.Policy == command.PolicyBroadcast:
		return s.broadcast(cmd, args, frame)
	default:
		return s.forwardAny(cmd, frame)
	}
	return true
}

// allowed says whether the session may run the command, and answers if not.
func (s *session) allowed(cmd *command.Command) bool {
	switch {
	case !s.authed && (cmd == nil || !cmd.Flags.Has(command.FlagNoAuth)):
		s.answer(cmd, []byte(noAuthText))
	case s.reserved && (cmd == nil || !forOperators(cmd)) && !s.leaveReserve():
		s.l.r.rejected.Add(1)
		s.answer(cmd, []byte(maxClientsText))
		s.close()
	default:
		return true
	}
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
	case s.authed && bytes.HasPrefix(name, []byte(adminPrefix)):
		s.admin(args)
	case !s.allowed(nil):
	default:
		s.answer(nil, command.AppendUnknown(nil, args))
	}
}

// admin runs a CODIS.* command on a goroutine.
func (s *session) admin(args [][]byte) {
	own := cloneArgs(args)
	caller, serve := s.caller(), s.l.r.admin.ServeReadOnly
	if s.mayChange() {
		serve = s.l.r.admin.ServeRESP
	}
	s.park(command.FamilyCodis, func(ctx context.Context) []byte { return serve(ctx, caller, own) })
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
func (s *session) route(cmd *command.Command, args [][]byte, frame []byte) (taken bool) {
	l := s.l
	if cmd.Key != 0 {
		l.keys = append(l.keys[:0], cmd.Key)
	} else {
		var err error
		l.keys, err = cmd.AppendKeys(l.keys[:0], args)
		if err != nil {
			s.fail(cmd, err)
			return true
		}
		if len(l.keys) == 0 {
			return s.forwardAny(cmd, frame)
		}
	}
	slot, err := slotOf(args, l.keys)
	if err != nil {
		s.fail(cmd, err)
		return true
	}
	if cmd.Flags&(command.FlagCheck|command.FlagDumpRestore) != 0 {
		if !s.permitted(cmd) {
			return true
		}
		if err := cmd.Check(args, topology.SlotOf); err != nil {
			s.fail(cmd, err)
			return true
		}
	}
	if r := l.table.slots[slot]; r != nil {
		s.forward(cmd, l.servers[s.pick(r, cmd)], slot, frame)
		return true
	}
	m := l.moves[slot]
	if m == nil {
		s.fail(cmd, l.noOwner(slot))
		return true
	}
	if m.phase == topology.PhaseMigrating && usesMore(cmd, args) {
		s.fail(cmd, errUsesMore)
		return true
	}
	if ready, taken := s.prepare(cmd, args, l.keys, frame); !ready {
		return taken
	}
	s.forward(cmd, l.servers[m.to.master], slot, frame)
	return true
}

// slotOf returns the slot that all keys of a command are in.
func slotOf(args [][]byte, keys []int) (int, error) {
	slot := topology.SlotOf(args[keys[0]])
	for _, key := range keys[1:] {
		if topology.SlotOf(args[key]) != slot {
			return 0, errCrossSlot
		}
	}
	for _, key := range keys {
		if fence.IsReserved(args[key]) {
			return 0, errReserved
		}
	}
	return slot, nil
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
	if want == readMaster || !cmd.Flags.Has(command.FlagReadonly) ||
		cmd.Name == "evalsha_ro" { // a replica does not have the scripts that its master was sent
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

// noSlot is for commands that have no key.
const noSlot = -1

// forward sends a whole command to one server.
func (s *session) forward(cmd *command.Command, srv *server, slot int, frame []byte) {
	b, err := s.connection(srv, cmd)
	if err != nil {
		s.answer(cmd, srv.appendError(nil, err))
		return
	}
	q := s.newRequest(cmd)
	s.queued(q, b)
	if slot != noSlot {
		s.l.enter(q, slot)
	}
	b.send(q, frame)
}

// newRequest queues a request that servers will answer.
func (s *session) newRequest(cmd *command.Command) *request {
	q := s.l.newRequest(s, uint8(cmd.Family))
	q.silent = s.silent()
	q.bound = s.l.bound(cmd)
	q.readonly = cmd.Flags.Has(command.FlagReadonly)
	if s.waitsSince != 0 {
		q.waited = s.l.now - s.waitsSince
	}
	if s.l.slowerThan != noSlowLog {
		q.headLen = uint8(copy(q.head[:], s.l.current))
	}
	s.enqueue(q)
	return q
}

// forwardAny sends a command to any one master; all of them give the same answer.
func (s *session) forwardAny(cmd *command.Command, frame []byte) (taken bool) {
	l := s.l
	if len(l.table.owners) == 0 {
		s.fail(cmd, l.noOwner(0))
		return true
	}
	for _, index := range l.table.owners {
		if srv := l.servers[index]; !slices.Contains(l.table.turning, srv.group) {
			s.forward(cmd, srv, noSlot, frame)
			return true
		}
	}
	_, answered := s.onTurn(cmd)
	return answered
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
