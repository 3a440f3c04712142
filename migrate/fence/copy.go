package fence

import (
	"strconv"

	"codis/router/resp"
)

// Copy is one attempt to copy a big key, see big.go. Every attempt has a name of its own
// at G2, so that nothing which an earlier one has sent can get into it.
type Copy struct {
	Key
	Epoch, Attempt uint64
}

// Name is the reserved key that the value is gathered in.
func (c *Copy) Name() []byte { return AppendCopyKey(nil, c.Slot, c.Epoch, c.Attempt) }

// Look is what G1 says of a big key.
type Look struct {
	// Fenced: the slot does not leave that server under that epoch. The rest is zero.
	Fenced bool
	// Type is the answer of TYPE: none for a key that is not there.
	Type string
	// Size is the number of elements, of a string of bytes; -1 for types without.
	Size int64
	// TTL is the Unix time in ms at which the key expires, -1 for never.
	TTL int64
	// RunID is the server's.
	RunID string
	// Version is 602 for Redis 6.2.
	Version int64
}

// AppendLook appends the look at the key at G1. ParseLook reads the answer.
func (c *Copy) AppendLook(dst []byte) []byte {
	var scratch [64]byte
	dst = appendEval(dst, lookScript, 2, 1)
	dst = resp.AppendBulk(dst, AppendFenceKey(scratch[:0], c.Epoch))
	dst = resp.AppendBulk(dst, c.Key.Name)
	return resp.AppendBulk(dst, strconv.AppendUint(scratch[:0], c.Epoch, 10))
}

// ParseLook reads one whole reply.
func ParseLook(reply []byte) (Look, error) {
	if string(reply) == "+FENCED\r\n" {
		return Look{Fenced: true}, nil
	}
	r, _, err := resp.ParseReply(reply)
	if err != nil || r.Kind != resp.KindArray || len(r.Array) != 5 {
		return Look{}, wrong("look", reply)
	}
	a := r.Array
	l := Look{Type: a[0].Text(), Size: a[1].Int, TTL: a[2].Int, RunID: a[3].Text(), Version: a[4].Int}
	if l.TTL == -2 { // it expired under the script's eyes
		l.Type = "none"
	}
	return l, nil
}

// CopyResult is what became of a step of a copy at G2.
type CopyResult uint8

const (
	// CopyFenced: nothing, the slot does not move there under that epoch.
	CopyFenced CopyResult = iota + 1
	// CopyDone: nothing, the key had moved before.
	CopyDone
	// CopyOK: the step has been done; after the commit the key is at G2.
	CopyOK
	// CopyBusy: a key of that name was there, and counts.
	CopyBusy
	// CopyLost: the copy is not whole any more, or another attempt has begun.
	CopyLost
)

func (r CopyResult) String() string {
	if r > 0 && int(r) <= len(copyWords) {
		return copyWords[r-1]
	}
	return "unknown"
}

var copyWords = [...]string{"FENCED", "DONE", "OK", "BUSY", "LOST"}

// ParseCopy reads one whole reply to AppendBegin, AppendChunk or AppendCommit.
func ParseCopy(reply []byte) (CopyResult, error) {
	for i, word := range copyWords {
		if string(reply) == "+"+word+"\r\n" {
			return CopyResult(i + 1), nil
		}
	}
	return 0, wrong("copy", reply)
}

// AppendBegin appends the beginning of the attempt at G2.
func (c *Copy) AppendBegin(dst []byte) []byte {
	dst = appendMoved(appendEval(dst, beginScript, 4, 1), c.Slot, c.Epoch)
	dst = appendCopies(resp.AppendBulk(dst, c.Key.Name), c.Epoch)
	return appendDecimal(resp.AppendBulk(dst, c.Name()), CopyTTL.Milliseconds())
}

// Chunk is a part of the value: commands that write to the copy, whose name they
// contain.
type Chunk struct {
	First    bool
	Commands [][][]byte
}

// AppendChunk appends a part of the value.
func (c *Copy) AppendChunk(dst []byte, chunk Chunk) []byte {
	words := 2
	for _, command := range chunk.Commands {
		words += 1 + len(command)
	}
	dst = appendMoved(appendEval(dst, chunkScript, 3, words), c.Slot, c.Epoch)
	dst = appendCopies(resp.AppendBulk(dst, c.Name()), c.Epoch)
	first := int64(0)
	if chunk.First {
		first = 1
	}
	dst = appendDecimal(appendDecimal(dst, first), CopyTTL.Milliseconds())
	for _, command := range chunk.Commands {
		dst = appendDecimal(dst, int64(len(command)))
		for _, word := range command {
			dst = resp.AppendBulk(dst, word)
		}
	}
	return dst
}

// Whole says what a copy must be to be committed.
type Whole struct {
	// Length is the command that tells the size, which must be from Min to Max.
	Length   string
	Min, Max int64
	// TTL is the key's expiry, as in Look.
	TTL int64
}

// AppendCommit appends the commit at G2.
func (c *Copy) AppendCommit(dst []byte, whole Whole) []byte {
	dst = appendMoved(appendEval(dst, commitScript, 5, 4), c.Slot, c.Epoch)
	dst = resp.AppendBulk(dst, c.Key.Name)
	dst = appendCopies(resp.AppendBulk(dst, c.Name()), c.Epoch)
	dst = appendDecimal(appendWanted(dst, c.Epoch), whole.TTL)
	dst = resp.AppendBulkString(dst, whole.Length)
	return appendDecimal(appendDecimal(dst, whole.Min), whole.Max)
}
