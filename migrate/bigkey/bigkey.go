// Package bigkey copies one key that is too large for DUMP and RESTORE from the server that
// its slot leaves to the one that it goes to: in parts small enough that nobody else
// notices, into a reserved key that clients can't see, which takes the key's name
// when it is whole. The scripts, and why nobody ever sees a part of a value, are in
// package fence; which key is copied when, and what happens before and after, is
// package migrate's.
//
// Kept are: every element and its order, the bytes of strings, scores, expiries of the
// key and of a hash's fields, a stream's IDs, counters, groups, consumers and pending
// entries. Not kept are what no command can set: LFU and idle time, when a stream's
// consumer was last seen, and a delivery time to better than a few ms.
package bigkey

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"codis/migrate/fence"
	"codis/router/resp"
)

var (
	// ErrFenced is returned when a server says that the slot is not on its way under
	// that epoch: the move is over, or a server has lost its reserved keys.
	ErrFenced = errors.New("the slot is not fenced for this move")
	// ErrLost is returned when the copy is not there any more or not whole: another
	// leader copies the same key, or memory was short.
	ErrLost = errors.New("the copy was lost under way")
	// ErrChanged is returned when the key is not what it was when the copy began.
	ErrChanged = errors.New("the key has changed while it was copied")
	// ErrType is returned for a key of a type that has no elements, those of modules.
	ErrType = errors.New("the type can't be copied in parts")
)

const (
	// partElements and partBytes bound what one command reads or one script writes: a
	// quarter of a millisecond of a server's time. A single element may be larger.
	partElements = 256
	partBytes    = 64 << 10
	// stringBytes is the part of a string, which is copied without being looked at.
	stringBytes = 256 << 10
	// syncBytes is after how many bytes the replicas must have them: their output
	// buffers have limits.
	syncBytes = 4 << 20
)

// Server is a connection to a server, at the key's database. Each is used by one
// goroutine at a time.
type Server interface {
	// Do sends requests and returns n whole replies, whose memory is not used again. With
	// n of 0 the last request may be cut off; the next call goes on with it. It may
	// block until ctx ends.
	Do(ctx context.Context, requests []byte, n int) ([][]byte, error)
}

// Copier copies keys, one after the other.
type Copier struct {
	From, To Server
	// Epoch is that of the move.
	Epoch uint64
	// Pace is called behind every part, with its bytes: it waits for as long as the
	// servers and the settings ask for. To may be in the middle of a request.
	Pace func(ctx context.Context, bytes int64) error
	// Sync is called now and then between requests: it waits for the target's replicas.
	Sync func(ctx context.Context) error
	// Progress is called behind every part, and once before the first.
	Progress func(Progress)
}

// Progress is how far the copy of a key is.
type Progress struct {
	// Elements of Size, in bytes for a string; an element may count twice.
	Elements, Size int64
	Type           string
}

// Result is what became of a key.
type Result struct {
	// Gone: it is not at the source any more; there it had expired.
	Gone bool
	// Bytes that were copied. It is 0 for a key that had moved already.
	Bytes int64
}

// lengths are the commands that tell how many elements a key has.
var lengths = map[string]string{
	"string": "STRLEN", "list": "LLEN", "set": "SCARD", "zset": "ZCARD", "hash": "HLEN", "stream": "XLEN",
}

// Copy brings a key to the target. Without an error it is there, or Gone. What an
// error leaves at the target goes with the next attempt, or expires.
func (c *Copier) Copy(ctx context.Context, key fence.Key) (Result, error) {
	a := &attempt{Copier: c, copy: fence.Copy{Key: key, Epoch: c.Epoch, Attempt: rand.Uint64()}}
	a.temp = a.copy.Name()
	return a.run(ctx)
}

// attempt is the copy of one key.
type attempt struct {
	*Copier
	copy  fence.Copy
	temp  []byte
	first bool // no chunk has been written yet
	done  Progress
	bytes int64
}

func (a *attempt) run(ctx context.Context) (Result, error) {
	before, err := a.look(ctx)
	if err != nil || before.Type == "none" {
		return Result{Gone: err == nil}, err
	}
	if lengths[before.Type] == "" {
		return Result{}, fmt.Errorf("%w: %s", ErrType, before.Type)
	}
	if there, err := a.step(ctx, a.copy.AppendBegin(nil)); there || err != nil {
		return Result{}, err
	}
	a.first, a.done = true, Progress{Type: before.Type, Size: before.Size}
	a.Progress(a.done)
	var r reader
	if before.Type == "string" {
		err = a.copyText(ctx, before.Size)
	} else {
		r = newReader(a, before)
		err = a.copyParts(ctx, r)
	}
	if err != nil {
		return Result{}, err
	}
	after, err := a.look(ctx)
	if err != nil {
		return Result{}, err
	}
	if after.Type == "none" {
		return Result{Gone: true}, nil
	}
	whole, err := compare(before, after, r)
	if err != nil {
		return Result{}, err
	}
	_, err = a.step(ctx, a.copy.AppendCommit(nil, whole))
	return Result{Bytes: a.bytes}, err
}

// compare says what the copy must be if the source has not changed. The fields of a hash
// that have expiries may be gone here or there.
func compare(before, after fence.Look, r reader) (fence.Whole, error) {
	volatile := int64(0)
	if e, ok := r.(*elements); ok {
		volatile = e.volatile
	}
	switch {
	case before.Type != after.Type || before.RunID != after.RunID,
		after.Size > before.Size || after.Size < before.Size-volatile,
		// Before Redis 7 it is computed from what is left and a clock.
		max(before.TTL, after.TTL)-min(before.TTL, after.TTL) > 2:
		return fence.Whole{}, fmt.Errorf("%w: %+v, then %+v", ErrChanged, before, after)
	}
	return fence.Whole{Length: lengths[before.Type], Min: after.Size - volatile, Max: before.Size, TTL: before.TTL}, nil
}

// look asks the source for what the key is.
func (a *attempt) look(ctx context.Context) (fence.Look, error) {
	frames, err := a.From.Do(ctx, a.copy.AppendLook(nil), 1)
	if err != nil {
		return fence.Look{}, err
	}
	l, err := fence.ParseLook(frames[0])
	if err == nil && l.Fenced {
		err = ErrFenced
	}
	return l, err
}

// step runs a script at the target; there says that the key is there already.
func (a *attempt) step(ctx context.Context, request []byte) (there bool, err error) {
	frames, err := a.To.Do(ctx, request, 1)
	if err != nil {
		return false, err
	}
	result, err := fence.ParseCopy(frames[0])
	switch {
	case err != nil:
		return false, err
	case result == fence.CopyFenced:
		return false, ErrFenced
	case result == fence.CopyLost:
		return false, ErrLost
	}
	return result == fence.CopyDone || result == fence.CopyBusy, nil
}

// copyParts reads ahead by one part while the one before is written.
func (a *attempt) copyParts(ctx context.Context, r reader) error {
	ctx, cancel := context.WithCancelCause(ctx)
	parts := make(chan part, 1)
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(parts)
		for last := false; !last; {
			p, err := r.next(ctx)
			if err != nil {
				cancel(err)
				return
			}
			last = p.last
			select {
			case parts <- p:
			case <-ctx.Done():
				return
			}
		}
	})
	defer reading.Wait()
	defer cancel(nil)
	for p := range parts {
		if err := a.write(ctx, p); err != nil {
			cancel(err)
			break
		}
	}
	return context.Cause(ctx)
}

// write sends a part as chunks of about partBytes.
func (a *attempt) write(ctx context.Context, p part) error {
	for len(p.commands) > 0 {
		n, words, size := 0, 0, int64(0)
		for n < len(p.commands) && (n == 0 || words < 2*partElements && size < partBytes) {
			for _, word := range p.commands[n] {
				size += int64(len(word))
			}
			words += len(p.commands[n])
			n++
		}
		if _, err := a.step(ctx, a.copy.AppendChunk(nil, fence.Chunk{First: a.first, Commands: p.commands[:n]})); err != nil {
			return err
		}
		a.first, p.commands = false, p.commands[n:]
		if a.bytes/syncBytes < (a.bytes+size)/syncBytes {
			if err := a.Sync(ctx); err != nil {
				return err
			}
		}
		a.bytes += size
		if err := a.Pace(ctx, size); err != nil {
			return err
		}
	}
	a.done.Elements += p.elements
	a.Progress(a.done)
	return nil
}

// part is what a reader gives at a time: commands that add it to the copy.
type part struct {
	commands [][][]byte
	elements int64
	last     bool
}

// reader reads a key from its beginning to its end.
type reader interface {
	next(ctx context.Context) (part, error)
}

func newReader(a *attempt, l fence.Look) reader {
	ask := asker{From: a.From, key: a.copy.Key.Name, temp: a.temp}
	switch l.Type {
	case "list":
		return &list{asker: ask, size: l.Size}
	case "stream":
		return &stream{asker: ask, consumers: l.Version >= 602}
	}
	return newElements(ask, l.Type)
}

// asker asks the source.
type asker struct {
	From      Server
	key, temp []byte
	// average is that of an element, in bytes; 0 when none has come yet.
	average int64
}

// one sends one command.
func (a *asker) one(ctx context.Context, words ...[]byte) (resp.Reply, error) {
	frames, err := a.From.Do(ctx, resp.AppendCommand(nil, words...), 1)
	if err != nil {
		return resp.Reply{}, err
	}
	r, _, err := resp.ParseReply(frames[0])
	if err == nil {
		err = r.Err()
	}
	return r, err
}

// count is how many elements to ask for.
func (a *asker) count() int64 {
	if a.average == 0 {
		return 16
	}
	return min(max(partBytes/a.average, 1), partElements)
}

// learn keeps in mind how large elements are.
func (a *asker) learn(elements, bytes int64) {
	if elements > 0 {
		a.average = max(1, (a.average+bytes/elements)/2, bytes/elements)
	}
}

func sizeOf(replies []resp.Reply) (bytes int64) {
	for i := range replies {
		bytes += int64(len(replies[i].Str)) + 8
	}
	return bytes
}
