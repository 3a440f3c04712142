package fence

import (
	"errors"
	"fmt"

	"codis/router/resp"
)

// The restore of many keys without a script, which costs the new group's server
// about half: on one connection
//
//	WATCH the moved sets, ask which keys they have, MULTI      AppendWatch
//	RESTORE of the others, EXEC                                AppendRestores
//	WATCH the moved sets, ask whether they exist, MULTI        AppendRewatch
//	SADD of what is there now, EXEC                            AppendMark
//
// each sent after the replies to the one before were seen: a refused MULTI, or a
// refused WATCH, would have the commands behind it run at once and unguarded.
// WATCH does what the restore script does by being one: when a client, another
// mover or the end of the move has changed a moved set since the question, EXEC
// does nothing at all, however late it lands. A key is restored only while no set
// has it, so what clients have deleted does not come back. It enters the set only
// after its reply was seen, because an error within EXEC must not leave a key in
// the set that is not there; in between it is at both groups and not in the set,
// which is what a script that ends half-way leaves: BUSY for whoever comes next.
// The second WATCH is for a set that was lost meanwhile: SADD would make a new one,
// which knows nothing of what has moved.

// ErrTouched is returned when EXEC did nothing because a watched key has changed.
var ErrTouched = errors.New("a watched key has changed")

// ErrNoMultiMember is returned by ParseWatch when the server, one before 6.2, does
// not know SMISMEMBER: the scripts do without.
var ErrNoMultiMember = fmt.Errorf("%w: no SMISMEMBER", ErrReply)

// runs cuts items, those of a slot standing together, into runs of one slot.
func runs(items []Item, run func(slot int, items []Item)) {
	for start := 0; start < len(items); {
		end := start + 1
		for end < len(items) && items[end].Slot == items[start].Slot {
			end++
		}
		run(items[start].Slot, items[start:end])
		start = end
	}
}

// countRuns is how many slots items have.
func countRuns(items []Item) (n int) {
	runs(items, func(int, []Item) { n++ })
	return n
}

// appendWatch appends WATCH of the moved sets of items.
func (b *Batch) appendWatch(dst []byte, items []Item) []byte {
	dst = resp.AppendBulkString(resp.AppendArray(dst, 1+countRuns(items)), "WATCH")
	runs(items, func(slot int, _ []Item) { dst = appendMoved(dst, slot, b.Epoch) })
	return dst
}

// AppendDiscard appends the end of a transaction in which nothing is to be done.
func AppendDiscard(dst []byte) []byte { return append(dst, "*1\r\n$7\r\nDISCARD\r\n"...) }

const multi = "*1\r\n$5\r\nMULTI\r\n"

// AppendWatch appends WATCH of the moved sets of items, those of a slot standing
// together, for each set the question whether it exists and which of the items it
// has, and MULTI. ParseWatch reads the replies.
func (b *Batch) AppendWatch(dst []byte, items []Item) (_ []byte, replies int) {
	dst, replies = b.appendWatch(dst, items), 1
	runs(items, func(slot int, run []Item) {
		dst = appendMoved(resp.AppendBulkString(resp.AppendArray(dst, 3+len(run)), "SMISMEMBER"), slot, b.Epoch)
		dst = resp.AppendBulkString(dst, marker)
		for i := range run {
			dst = resp.AppendBulk(dst, run[i].Name)
		}
		replies++
	})
	return append(dst, multi...), replies + 1
}

// ParseWatch reads the replies to AppendWatch: whether a set is missing, and else
// of each item whether it is in its set. After an error the connection may be in a
// transaction.
func (b *Batch) ParseWatch(replies [][]byte, items []Item) (moved []bool, fenced bool, err error) {
	for _, at := range []int{0, len(replies) - 1} {
		if string(replies[at]) != "+OK\r\n" {
			return nil, false, wrong("watch", replies[at])
		}
	}
	moved = make([]bool, 0, len(items))
	at := 1
	runs(items, func(_ int, run []Item) {
		reply := replies[at]
		at++
		if err != nil || fenced {
			return
		}
		if len(reply) > 12 && string(reply[:12]) == "-ERR unknown" {
			err = ErrNoMultiMember
			return
		}
		rest, ok := reply, len(reply) > 0 && reply[0] == '*'
		var n int64
		if ok {
			n, rest, ok = number(reply[1:])
		}
		if !ok || n != int64(len(run))+1 || len(rest) != 4*int(n) {
			err = wrong("moved set", reply)
			return
		}
		// Each answer is ":0\r\n" or ":1\r\n"; the first is about the marker.
		fenced = rest[1] != '1'
		for i := range run {
			moved = append(moved, rest[4*(i+1)+1] == '1')
		}
	})
	if err != nil || fenced {
		return nil, fenced, err
	}
	return moved, false, nil
}

// AppendRestores appends the restore of items and EXEC. The last reply is for
// ParseRestores.
func AppendRestores(dst []byte, items []Item) (_ []byte, replies int) {
	for i := range items {
		if items[i].TTL > 0 {
			dst = append(dst, "*5\r\n$7\r\nRESTORE\r\n"...)
			dst = resp.AppendBulk(dst, items[i].Name)
			dst = appendDecimal(dst, items[i].TTL)
			dst = resp.AppendBulk(dst, items[i].Dump)
			dst = append(dst, "$6\r\nABSTTL\r\n"...)
			continue
		}
		dst = append(dst, "*4\r\n$7\r\nRESTORE\r\n"...)
		dst = resp.AppendBulk(dst, items[i].Name)
		dst = append(dst, "$1\r\n0\r\n"...)
		dst = resp.AppendBulk(dst, items[i].Dump)
	}
	return append(dst, "*1\r\n$4\r\nEXEC\r\n"...), len(items) + 1
}

// ParseRestores reads the reply of EXEC to AppendRestores: of each of n items
// RestoreOK, RestoreBusy, or 0 and the error's text at the same place. ErrTouched
// says that nothing was done. Any other error says the same of the server's own
// reasons, such as that it is out of memory.
func ParseRestores(reply []byte, n int) (results []RestoreResult, texts []string, err error) {
	rest, err := parseExec(reply, n)
	if err != nil {
		return nil, nil, err
	}
	results = make([]RestoreResult, n)
	for i := range n {
		end := 0
		for end < len(rest) && rest[end] != '\n' {
			end++
		}
		if end < 2 || end >= len(rest) {
			return nil, nil, wrong("restore", reply)
		}
		line := rest[:end-1]
		rest = rest[end+1:]
		switch {
		case string(line) == "+OK":
			results[i] = RestoreOK
		case line[0] != '-':
			return nil, nil, wrong("restore", reply)
		case len(line) >= 8 && string(line[:8]) == "-BUSYKEY":
			results[i] = RestoreBusy
		default:
			if texts == nil {
				texts = make([]string, n)
			}
			texts[i] = string(line[1:])
		}
	}
	return results, texts, nil
}

// parseExec reads the head of a reply of EXEC with n replies within.
func parseExec(reply []byte, n int) (rest []byte, err error) {
	if string(reply) == "*-1\r\n" || isNull(reply) {
		return nil, ErrTouched
	}
	if len(reply) > 0 && reply[0] == '*' {
		if count, rest, ok := number(reply[1:]); ok && count == int64(n) {
			return rest, nil
		}
	}
	return nil, wrong("EXEC", reply)
}

// AppendRewatch appends WATCH of the moved sets of items, the question whether all
// exist, and MULTI. ParseRewatch reads the three replies.
func (b *Batch) AppendRewatch(dst []byte, items []Item) []byte {
	dst = b.appendWatch(dst, items)
	dst = resp.AppendBulkString(resp.AppendArray(dst, 1+countRuns(items)), "EXISTS")
	runs(items, func(slot int, _ []Item) { dst = appendMoved(dst, slot, b.Epoch) })
	return append(dst, multi...)
}

// ParseRewatch reads the three replies to AppendRewatch.
func (b *Batch) ParseRewatch(replies [][]byte, items []Item) (fenced bool, err error) {
	for _, at := range []int{0, 2} {
		if string(replies[at]) != "+OK\r\n" {
			return false, wrong("watch", replies[at])
		}
	}
	n, ok := resp.Int(replies[1])
	if !ok {
		return false, wrong("moved sets", replies[1])
	}
	return n != int64(countRuns(items)), nil
}

// AppendMark appends the adding of items to their moved sets and EXEC. The last
// reply is for ParseMark.
func (b *Batch) AppendMark(dst []byte, items []Item) (_ []byte, replies int) {
	replies = 1
	runs(items, func(slot int, run []Item) {
		dst = appendMoved(resp.AppendBulkString(resp.AppendArray(dst, 2+len(run)), "SADD"), slot, b.Epoch)
		for i := range run {
			dst = resp.AppendBulk(dst, run[i].Name)
		}
		replies++
	})
	return append(dst, "*1\r\n$4\r\nEXEC\r\n"...), replies
}

// ParseMark reads the reply of EXEC to AppendMark: nil when all items are in their
// sets, ErrTouched when none has been added by it.
func (b *Batch) ParseMark(reply []byte, items []Item) error {
	n := countRuns(items)
	rest, err := parseExec(reply, n)
	if err != nil {
		return err
	}
	for range n {
		var ok bool
		if len(rest) == 0 || rest[0] != ':' {
			return wrong("mark", reply)
		}
		if _, rest, ok = number(rest[1:]); !ok {
			return wrong("mark", reply)
		}
	}
	return nil
}

// The deletion of many keys at the old group goes the same way, on one connection:
//
//	WATCH the fence, look whether it is there, MULTI     AppendArm
//	UNLINK, EXEC                                         AppendUnlinks
//
// The second may be followed by the first at once, for the next batch.

// AppendArm appends WATCH of the fence, GET and MULTI. ParseArm reads the replies.
func (b *Batch) AppendArm(dst []byte) (_ []byte, replies int) {
	var scratch [64]byte
	dst = resp.AppendBulkString(resp.AppendArray(dst, 2), "WATCH")
	dst = resp.AppendBulk(dst, AppendFenceKey(scratch[:0], b.Epoch))
	return append(b.AppendFence(dst), multi...), 3
}

// ParseArm reads the three replies to AppendArm.
func (b *Batch) ParseArm(replies [][]byte) (fenced bool, err error) {
	for _, at := range []int{0, 2} {
		if string(replies[at]) != "+OK\r\n" {
			return false, wrong("watch", replies[at])
		}
	}
	set, err := b.ParseFence(replies[1])
	return !set, err
}

// AppendUnlinks appends UNLINK of keys and EXEC. The second reply is for
// ParseUnlinks.
func AppendUnlinks(dst []byte, items []Item) (_ []byte, replies int) {
	dst = resp.AppendBulkString(resp.AppendArray(dst, 1+len(items)), "UNLINK")
	for i := range items {
		dst = resp.AppendBulk(dst, items[i].Name)
	}
	return append(dst, "*1\r\n$4\r\nEXEC\r\n"...), 2
}

// ParseUnlinks reads how many keys are gone. ErrTouched says that the fence is, and
// that nothing was done.
func ParseUnlinks(reply []byte) (deleted int64, err error) {
	rest, err := parseExec(reply, 1)
	if err != nil {
		return 0, err
	}
	n, ok := resp.Int(rest)
	if !ok {
		return 0, wrong("unlink", reply)
	}
	return n, nil
}
