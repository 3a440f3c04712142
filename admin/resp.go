package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tidwall/redcon"

	"codis/router/resp"
)

// forwardGrace is how much longer a node waits for the leader's answer than the
// leader takes at most, so that the leader's own error is the one that is seen.
const forwardGrace = 3 * time.Second

// newMux registers every command name with the handler of its rows.
func newMux(o *Ops, rows []command) *redcon.ServeMux {
	mux := redcon.NewServeMux()
	seen := map[string]bool{}
	for _, row := range rows {
		name := lower(row.name)
		if seen[name] {
			continue
		}
		seen[name] = true
		mux.Handle(name, redcon.HandlerFunc(o.handle))
	}
	return mux
}

// ServeRESP runs one CODIS.* command and returns the whole reply. caller is who
// asks, for the history. A change is passed on to the leader, once, when this
// node is not it. It blocks until the reply is there or ctx ends.
func (o *Ops) ServeRESP(ctx context.Context, caller string, args [][]byte) []byte {
	c := &call{ctx: ctx, caller: o.callerVia(caller)}
	o.serve(c, args)
	return c.reply
}

// ServeReadOnly is ServeRESP for who may not change the cluster.
func (o *Ops) ServeReadOnly(ctx context.Context, caller string, args [][]byte) []byte {
	c := &call{ctx: ctx, caller: o.callerVia(caller), readOnly: true}
	o.serve(c, args)
	return c.reply
}

// callerVia names who asks this node.
func (o *Ops) callerVia(caller string) Caller {
	return newCaller(caller + " via " + o.cfg.Store.Status().ID)
}

// ServeForwarded runs a command that another node passed on to this one, the
// leader. It returns an array of the table's epoch and the reply in a bulk, so
// that the other node can wait for the change before it answers its client.
func (o *Ops) ServeForwarded(ctx context.Context, caller string, args [][]byte) []byte {
	c := &call{ctx: ctx, caller: newCaller(caller), forwarded: true}
	o.serve(c, args)
	out := redcon.AppendArray(nil, 2)
	out = redcon.AppendUint(out, c.epoch)
	return redcon.AppendBulk(out, c.reply)
}

func (o *Ops) serve(c *call, args [][]byte) {
	if len(args) == 0 {
		c.WriteError("ERR empty command")
		return
	}
	if _, err := find(o.rows, args); err != nil {
		c.WriteError(replyText(err))
		return
	}
	o.mux.ServeRESP(c, redcon.Command{Args: args})
}

// handle is the redcon.Handler of every command.
func (o *Ops) handle(conn redcon.Conn, cmd redcon.Command) {
	c := conn.(*call) // serve is the mux's only caller
	if err := o.run(c, cmd.Args); err != nil {
		c.fail(err)
	}
}

func (o *Ops) run(c *call, args [][]byte) error {
	row, rest, err := o.grasp(c, args)
	if err != nil {
		return err
	}
	if row.read != nil {
		if row.leader && !c.forwarded && o.askLeader(c, args) {
			return nil
		}
		found, err := row.read(o, c, rest)
		if err != nil {
			return err
		}
		return c.give(found)
	}
	if c.readOnly {
		return refuse(CodeNoPerm, "AUTH admin <password> first; the command line takes --user admin and CODIS_PASSWORD", "%s takes the admin password", row.words())
	}
	// Mistakes in the words are answered here; only what can work goes to the leader.
	do, err := row.change(rest)
	if err != nil {
		return err
	}
	timeout := o.cfg.Timeout
	switch {
	case row.keys:
		timeout = o.cfg.ScanTimeout
	case row.servers:
		timeout = o.cfg.AttachTimeout
	}
	switch {
	case o.cfg.Store.IsLeader():
		return o.lead(c, row.words(), timeout, do)
	case c.forwarded:
		return refuse(CodeNoLeader, "try again", "node %s is no longer the leader", o.cfg.Store.Status().ID)
	default:
		return o.forward(c, timeout+forwardGrace, args)
	}
}

// grasp finds the row of a command and the words that are its arguments. After
// CODIS.JSON these are the row and the words of the command that follows.
func (o *Ops) grasp(c *call, args [][]byte) (*command, [][]byte, error) {
	row, err := find(o.rows, args)
	if err != nil {
		return nil, nil, err
	}
	rest, err := row.rest(args)
	if err != nil || !row.json {
		return row, rest, err
	}
	if c.json {
		return nil, nil, badArg("%s stands before itself", jsonName)
	}
	c.json = true
	return o.grasp(c, rest)
}

// lead makes the change here, on the leader. A dry run changes nothing.
func (o *Ops) lead(c *call, words string, timeout time.Duration, do change) error {
	ctx, cancel := context.WithTimeout(c.ctx, timeout)
	defer cancel()
	before := o.cfg.Store.State().Epoch
	done, err := do(ctx, o, c.caller)
	c.epoch = o.cfg.Store.State().Epoch
	if err != nil {
		o.log.Warn("change refused", "command", words, "caller", string(c.caller), "error", err)
		return err
	}
	if !isDry(done) {
		o.logChange(c, words, before)
	}
	return c.give(done)
}

// logChange says what a command has changed, in the words of the history, which holds
// no secrets. Not everything changes the table.
func (o *Ops) logChange(c *call, words string, before uint64) {
	var what []string
	for _, change := range o.cfg.Store.State().History {
		if change.Epoch > before && change.Who == string(c.caller) {
			what = append(what, change.What)
		}
	}
	if len(what) == 0 {
		o.log.Info("command carried out", "command", words, "caller", string(c.caller))
		return
	}
	const shown = 5 // an import changes hundreds of things
	text := strings.Join(what[:min(shown, len(what))], "; ")
	if len(what) > shown {
		text += fmt.Sprintf("; and %d more", len(what)-shown)
	}
	o.log.Info("changed", "command", words, "what", text, "caller", string(c.caller), "epoch", c.epoch)
}

// isDry says whether an answer only tells what would be done.
func isDry(done answer) bool {
	if imported, ok := done.(Imported); ok {
		return imported.Dry
	}
	_, isPlan := done.(Plan)
	return isPlan
}

// leaderLook bounds the question to the leader for what this node can answer too,
// only not as well.
const leaderLook = 2 * time.Second

// askLeader has the leader answer a command that changes nothing, and says whether
// it did; an error of it counts as no answer.
func (o *Ops) askLeader(c *call, args [][]byte) bool {
	status := o.cfg.Store.Status()
	if status.LeaderID == "" || status.LeaderID == status.ID {
		return false
	}
	ctx, cancel := context.WithTimeout(c.ctx, leaderLook)
	defer cancel()
	raw, err := o.cfg.Store.ForwardAdmin(ctx, string(c.caller), args)
	if err != nil {
		return false
	}
	_, reply, err := unwrap(raw)
	if err != nil || resp.IsError(reply) || c.json && refusalIn(reply) != nil {
		return false
	}
	c.WriteRaw(reply)
	return true
}

// forward passes the whole command on to the leader, and answers when this
// node's own table has the change, so that its client reads what it wrote.
func (o *Ops) forward(c *call, timeout time.Duration, args [][]byte) error {
	ctx, cancel := context.WithTimeout(c.ctx, timeout)
	defer cancel()
	raw, err := o.cfg.Store.ForwardAdmin(ctx, string(c.caller), args)
	switch {
	case errors.Is(err, ErrNoLeader):
		return noLeader(o.cfg.Store.Status())
	case err != nil:
		return refuse(CodeUnknown, "the change may have been made, look at CODIS.HISTORY before trying again",
			"no answer from the leader: %v", err)
	}
	epoch, reply, err := unwrap(raw)
	if err != nil {
		return refuse(CodeUnknown, "look at CODIS.HISTORY before trying again", "the leader gave no proper answer: %v", err)
	}
	if err := o.cfg.Store.WaitEpoch(ctx, epoch); err != nil {
		// The change is made all the same, only this node's table is behind.
		o.log.Warn("the table is behind a change that was forwarded", "epoch", epoch, "error", err)
	}
	if c.json {
		if err := refusalIn(reply); err != nil {
			return err
		}
	}
	c.WriteRaw(reply)
	return nil
}

// noLeader is the error of every change while there is no leader.
func noLeader(st Status) error {
	return refuse(CodeNoLeader, leaderHint(st), "there is no leader, so nothing can be changed now")
}

// unwrap reads what ServeForwarded wrote.
func unwrap(raw []byte) (epoch uint64, reply []byte, err error) {
	r, n, err := resp.ParseReply(raw)
	switch {
	case err != nil:
		return 0, nil, err
	case n != len(raw) || len(r.Array) != 2 || r.Array[0].Kind != resp.KindInteger || r.Array[1].Kind != resp.KindBulk:
		return 0, nil, fmt.Errorf("%d bytes of another form", len(raw))
	}
	return uint64(r.Array[0].Int), r.Array[1].Str, nil
}

// reply answers OK, or an array of OK and notes when there is something to say.
func (done Done) reply(c *call) {
	if len(done.Notes) == 0 {
		c.WriteString("OK")
		return
	}
	c.WriteArray(1 + len(done.Notes))
	c.WriteBulkString("OK")
	for _, note := range done.Notes {
		c.WriteBulkString(oneLine(note))
	}
}

// oneLine takes line breaks out of a text, which may hold what a redis-server said.
func oneLine(text string) string {
	if !strings.ContainsAny(text, "\r\n") {
		return text
	}
	return strings.Join(strings.Fields(text), " ")
}
