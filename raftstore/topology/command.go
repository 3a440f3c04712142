package topology

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// CommandFormat is the version of the encoding of commands in the Raft log.
const CommandFormat = 1

// MaxCommandSize bounds an encoded command, in bytes.
const MaxCommandSize = 1 << 20

// ErrUnknownCommand is returned when bytes of the log are not a command that
// this version knows, in whole: another format, another type word, a field more.
// A node that skipped it would go on with another state than its peers, so it
// has to stop instead.
var ErrUnknownCommand = errors.New("unknown command")

// ErrNotText is returned when a command holds text that is not UTF-8: it would
// come back from the log as something else.
var ErrNotText = errors.New("text is not valid UTF-8")

// Command is one entry of the Raft log: a change of the state, and who asks.
type Command struct {
	// Format is CommandFormat; Encode fills it in.
	Format int
	// RequestID names this request; a command that is retried keeps it.
	RequestID string
	// Who asks, for the history: a client's address and user, or a node.
	Who string
	// At is in Unix milliseconds, by the clock of the proposer.
	At int64
	// ExpectEpoch and ExpectGroupEpoch, when not 0, make the command STALE unless
	// the state, or the group that the body names, is still of that epoch.
	ExpectEpoch      uint64
	ExpectGroupEpoch uint64
	// Body is the change itself.
	Body Body
}

// Body is one kind of change: the types of this package whose names are verbs
// after a noun, such as GroupAdd and SlotsAssign.
type Body interface {
	// word is the type word in the log.
	word() string
	// apply changes s, which is the caller's own copy, or refuses. On refusal s
	// is thrown away.
	apply(s *State, c Command, index uint64) *Error
	// describe is the line of the history, "" for none; s is the state after the
	// command. It never holds a secret.
	describe(s *State) string
}

// wireCommand is Command as it is written.
type wireCommand struct {
	Format           int             `json:"format"`
	Type             string          `json:"type"`
	RequestID        string          `json:"request_id"`
	Who              string          `json:"who,omitempty"`
	At               int64           `json:"at,omitempty"`
	ExpectEpoch      uint64          `json:"expect_epoch,omitempty"`
	ExpectGroupEpoch uint64          `json:"expect_group_epoch,omitempty"`
	Body             json.RawMessage `json:"body"`
}

// Encode returns the bytes for the Raft log.
func (c Command) Encode() ([]byte, error) {
	if c.Body == nil {
		return nil, fmt.Errorf("encode command: %w: no body", ErrUnknownCommand)
	}
	body, err := json.Marshal(c.Body)
	if err != nil {
		return nil, fmt.Errorf("encode command %s: %w", c.Body.word(), err)
	}
	data, err := json.Marshal(wireCommand{
		Format: CommandFormat, Type: c.Body.word(), RequestID: c.RequestID, Who: c.Who, At: c.At,
		ExpectEpoch: c.ExpectEpoch, ExpectGroupEpoch: c.ExpectGroupEpoch, Body: body,
	})
	if err != nil {
		return nil, fmt.Errorf("encode command %s: %w", c.Body.word(), err)
	}
	// encoding/json writes this escape for bytes that are not UTF-8, and for
	// nothing else.
	if bytes.Contains(data, []byte(`\ufffd`)) {
		return nil, fmt.Errorf("encode command %s: %w", c.Body.word(), ErrNotText)
	}
	if len(data) > MaxCommandSize {
		return nil, fmt.Errorf("encode command %s: %d bytes, the limit is %d", c.Body.word(), len(data), MaxCommandSize)
	}
	return data, nil
}

// DecodeCommand reads what Encode wrote. Every error is an ErrUnknownCommand.
func DecodeCommand(data []byte) (Command, error) {
	if len(data) > MaxCommandSize {
		return Command{}, fmt.Errorf("%w: %d bytes", ErrUnknownCommand, len(data))
	}
	// The format and the type are looked at before the rest, so that the error
	// names them when a newer version wrote the entry.
	var head struct {
		Format int    `json:"format"`
		Type   string `json:"type"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return Command{}, fmt.Errorf("%w: %w", ErrUnknownCommand, err)
	}
	decode := decoders[head.Type]
	if head.Format != CommandFormat || decode == nil {
		return Command{}, fmt.Errorf("%w: format %d, type %q", ErrUnknownCommand, head.Format, head.Type)
	}
	var wire wireCommand
	if err := decodeStrict(data, &wire); err != nil {
		return Command{}, fmt.Errorf("%w: type %q: %w", ErrUnknownCommand, head.Type, err)
	}
	body, err := decode(wire.Body)
	if err != nil {
		return Command{}, fmt.Errorf("%w: type %q: %w", ErrUnknownCommand, head.Type, err)
	}
	return Command{
		Format: wire.Format, RequestID: wire.RequestID, Who: wire.Who, At: wire.At,
		ExpectEpoch: wire.ExpectEpoch, ExpectGroupEpoch: wire.ExpectGroupEpoch, Body: body,
	}, nil
}

// decoders is the table of the bodies by type word.
var decoders = tableOf(
	bodyOf[ClusterInit](), bodyOf[NodeJoin](), bodyOf[NodeAnnounce](), bodyOf[NodeRemove](), bodyOf[NodeSetVoter](), bodyOf[FormatRaise](),
	bodyOf[GroupAdd](), bodyOf[GroupDel](), bodyOf[GroupAuth](),
	bodyOf[ServerAttach](), bodyOf[ServerDetach](), bodyOf[ServerUpdate](),
	bodyOf[SlotsAssign](), bodyOf[SettingSet](),
	bodyOf[TurnBegin](), bodyOf[TurnDone](), bodyOf[TurnAbandon](), bodyOf[ForkMeasured](), bodyOf[GroupNote](),
	bodyOf[JobCreate](), bodyOf[JobSetState](), bodyOf[JobLimit](), bodyOf[JobForce](), bodyOf[JobReport](),
	bodyOf[SlotsHold](), bodyOf[SlotsMigrate](), bodyOf[SlotsReverse](), bodyOf[SlotsForced](), bodyOf[SlotsRelease](), bodyOf[SlotsDone](), bodyOf[SlotsCleaned](),
)

type bodyDecoder func(data []byte) (Body, error)

type bodyRow struct {
	word   string
	decode bodyDecoder
}

func bodyOf[B Body]() bodyRow {
	var zero B
	return bodyRow{word: zero.word(), decode: func(data []byte) (Body, error) {
		var body B
		err := decodeStrict(data, &body)
		return body, err
	}}
}

func tableOf(rows ...bodyRow) map[string]bodyDecoder {
	table := make(map[string]bodyDecoder, len(rows))
	for _, row := range rows {
		table[row.word] = row.decode
	}
	return table
}

// decodeStrict refuses fields that it does not know and anything behind the value.
func decodeStrict(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}
