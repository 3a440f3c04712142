package admin

import (
	"math"
	"strconv"
	"time"

	"codis/raftstore/topology"
)

// The functions of this file write the replies about jobs, plans and lost keys.

// maxWait bounds CODIS.JOB WAIT.
const maxWait = 24 * time.Hour

func readJobs(o *Ops, c *call, _ [][]byte) (answer, error) { return o.Jobs(c.ctx) }

func (jobs JobList) reply(c *call) {
	c.WriteArray(len(jobs))
	for _, j := range jobs {
		j.reply(c)
	}
}

func readJob(o *Ops, c *call, args [][]byte) (answer, error) {
	if len(args) == 2 {
		return nil, badArg("unexpected %s, only PAUSE, RESUME, CANCEL, FORCE, LIMIT or WAIT may follow", quote(args[1]))
	}
	id, err := parseJob(args[0])
	if err != nil {
		return nil, err
	}
	return o.Job(c.ctx, id)
}

func readJobWait(o *Ops, c *call, args [][]byte) (answer, error) {
	id, err := parseJob(args[0])
	if err != nil {
		return nil, err
	}
	seconds, err := strconv.ParseFloat(string(args[1]), 64)
	if err != nil || !(seconds >= 0 && seconds <= maxWait.Seconds()) {
		return nil, badArg("%s is not a number of seconds up to %.0f", quote(args[1]), maxWait.Seconds())
	}
	return o.JobWait(c.ctx, JobWait{ID: id, AtMost: time.Duration(seconds * float64(time.Second))})
}

// reply answers names and values; what is not known is nil.
func (j Job) reply(c *call) {
	c.WriteArray(2 * 19)
	c.WriteBulkString("id")
	c.WriteUint64(j.ID)
	writeField(c, "kind", string(j.Kind))
	writeField(c, "state", string(j.State))
	writeNumber(c, "slots-total", int64(j.Progress.SlotsTotal))
	writeNumber(c, "slots-done", int64(j.Progress.SlotsDone))
	writeNumber(c, "keys", j.Progress.Keys)
	writeNumber(c, "bytes", j.Progress.Bytes)
	writeNumber(c, "keys-per-second", int64(math.Round(j.Progress.KeysPerSecond)))
	c.WriteBulkString("eta")
	if j.Progress.ETA < 0 {
		c.WriteNull()
	} else {
		c.WriteInt64(j.Progress.ETA)
	}
	c.WriteBulkString("live")
	writeBool(c, j.Live)
	writeField(c, "reason", j.Reason)
	writeField(c, "who", j.Who)
	writeNumber(c, "created-at", j.CreatedAt)
	c.WriteBulkString("ended-at")
	if j.EndedAt == 0 {
		c.WriteNull()
	} else {
		c.WriteInt64(j.EndedAt)
	}
	c.WriteBulkString("consent")
	writeBool(c, j.Options.Consent)
	writeNumber(c, "keys-limit", j.Options.KeysPerSecond)
	writeNumber(c, "bytes-limit", j.Options.BytesPerSecond)
	c.WriteBulkString("moves")
	writeMoves(c, j.Moves)
	c.WriteBulkString("batches")
	c.WriteArray(len(j.Batches))
	for _, b := range j.Batches {
		c.WriteArray(3)
		c.WriteUint64(b.Epoch)
		c.WriteBulkString(string(b.Phase))
		writeMoves(c, b.Ranges)
	}
}

func writeMoves(c *call, moves []topology.SlotMove) {
	c.WriteArray(len(moves))
	for _, m := range moves {
		c.WriteArray(4)
		for _, n := range []int{m.Start, m.End, m.From, m.To} {
			c.WriteInt(n)
		}
	}
}

// reply answers the ID, or nil when no job was needed.
func (id JobID) reply(c *call) {
	if id == 0 {
		c.WriteNull()
		return
	}
	c.WriteUint64(uint64(id))
}

// reply answers names and values.
func (p Plan) reply(c *call) {
	c.WriteArray(2 * 5)
	writeNumber(c, "slots", int64(p.slots()))
	c.WriteBulkString("ready")
	writeBool(c, p.Ready())
	c.WriteBulkString("moves")
	writeMoves(c, p.Moves)
	c.WriteBulkString("groups")
	c.WriteArray(len(p.Shares))
	for _, s := range p.Shares {
		c.WriteArray(5)
		c.WriteInt(s.Group)
		c.WriteInt(s.SlotsNow)
		c.WriteInt(s.SlotsThen)
		if s.Load == nil {
			c.WriteNull()
			c.WriteNull()
		} else {
			c.WriteInt64(s.Load.Now)
			c.WriteInt64(s.Load.Then)
		}
	}
	c.WriteBulkString("checks")
	c.WriteArray(len(p.Checks))
	for _, check := range p.Checks {
		c.WriteArray(5)
		writeGroup(c, check.From)
		writeGroup(c, check.To)
		c.WriteBulkString(check.Name)
		c.WriteBulkString(string(check.Result))
		c.WriteBulkString(oneLine(check.Text))
	}
}

func readFsck(o *Ops, c *call, _ [][]byte) (answer, error) {
	ctx, cancel := scanContext(o, c)
	defer cancel()
	return o.Fsck(ctx)
}

// reply answers one row for each finding.
func (r FsckReport) reply(c *call) {
	c.WriteArray(len(r))
	for _, f := range r {
		c.WriteArray(5)
		c.WriteBulkString(string(f.Kind))
		writeGroup(c, f.Group)
		c.WriteInt64(f.Count)
		c.WriteInt64(f.Repaired)
		c.WriteBulkString(oneLine(f.Text))
	}
}

// writeNumber writes a name and its number.
func writeNumber(c *call, name string, n int64) {
	c.WriteBulkString(name)
	c.WriteInt64(n)
}
