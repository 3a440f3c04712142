package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"codis/raftstore/topology"
	"codis/router/resp"
)

// jsonName is the command that stands before another one whose answer is wanted as
// JSON.
const jsonName = "CODIS.JSON"

// JSON runs one CODIS.* command as ServeRESP does, wherever the leader is, and returns
// its answer as JSON, or a refusal, always a *topology.Error.
func (o *Ops) JSON(ctx context.Context, caller string, words ...string) (json.RawMessage, error) {
	c := &call{ctx: ctx, caller: o.callerVia(caller)}
	args := [][]byte{[]byte(jsonName)}
	for _, word := range words {
		args = append(args, []byte(word))
	}
	if err := o.run(c, args); err != nil {
		return nil, refusalOf(err)
	}
	r, _, err := resp.ParseReply(c.reply)
	if err != nil || r.Kind != resp.KindBulk {
		return nil, refuse("ERR", "", "%s has no answer in JSON", words[0])
	}
	return r.Str, nil
}

// give writes what a command has come to.
func (c *call) give(a answer) error {
	if !c.json {
		a.reply(c)
		return nil
	}
	text, err := json.Marshal(a.view())
	if err != nil {
		return fmt.Errorf("write the answer as JSON: %w", err)
	}
	c.WriteBulk(text)
	return nil
}

// fail writes a refusal. Another node gets it in its parts, for programs that ask
// there for JSON.
func (c *call) fail(err error) {
	c.reply = nil
	if !c.json || !c.forwarded {
		c.WriteError(replyText(err))
		return
	}
	refusal := refusalOf(err)
	c.WriteArray(3)
	c.WriteBulkString(string(refusal.Code))
	c.WriteBulkString(refusal.Message)
	c.WriteBulkString(refusal.Hint)
}

// refusalIn returns the refusal that a reply of the leader to CODIS.JSON is, nil when
// it is an answer.
func refusalIn(reply []byte) error {
	r, _, err := resp.ParseReply(reply)
	switch {
	case err != nil:
		return err
	case r.Kind == resp.KindBulk:
		return nil
	case len(r.Array) == 3:
		return &topology.Error{Code: topology.Code(r.Array[0].Text()), Message: r.Array[1].Text(), Hint: r.Array[2].Text()}
	default:
		return refuse("ERR", "finish the upgrade, or ask for it without JSON", "the leader runs a version that knows no %s: %s", jsonName, r.Text())
	}
}

// refusalOf gives every error a code.
func refusalOf(err error) *topology.Error {
	var refusal *topology.Error
	switch {
	case errors.As(err, &refusal):
		return refusal
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, ErrNoLeader):
		return &topology.Error{Code: CodeUnknown, Message: err.Error(), Hint: "the change may still happen, look at CODIS.HISTORY before trying again"}
	default:
		return &topology.Error{Code: "ERR", Message: err.Error()}
	}
}
