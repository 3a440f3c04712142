package failover

import (
	"codis/router/resp"
)

// memoryEvery is the number of probes of which one asks for the memory: the server
// has to add it up.
const memoryEvery = 5

// question is one command of a probe, and who reads its reply.
type question struct {
	args []string
	read func(o *observation, addr string, r resp.Reply)
}

// questions are those of the next probe. INFO, which says most, is read before PING,
// whose error may say better why the server serves nothing.
func (w *watch) questions() []question {
	q := []question{
		{[]string{"INFO", "replication"}, (*observation).readReplication},
		{[]string{"PING"}, (*observation).readPing},
		{[]string{"INFO", "keyspace"}, (*observation).readKeys},
	}
	if w.probes%memoryEvery == 0 {
		q = append(q, question{[]string{"INFO", "memory"}, (*observation).readMemory})
	}
	if w.fresh {
		q = append(q, question{[]string{"INFO", "server"}, (*observation).readServer},
			question{[]string{"CONFIG", "GET", "save"}, (*observation).readDurable},
			question{[]string{"CONFIG", "GET", "appendonly"}, (*observation).readDurable})
	}
	return q
}

func (o *observation) readReplication(addr string, r resp.Reply) {
	if err := r.Err(); err != nil {
		// INFO is answered while loading and without a master: what it refuses is us,
		// or everyone because of a script.
		o.answer, o.err = answerOf(addr, err)
		return
	}
	found := parseReplication(resp.ParseInfo(r.Text()))
	o.replication = &found
	o.answer = StateUp
}

func (o *observation) readPing(addr string, r resp.Reply) {
	if err := r.Err(); err != nil && o.replication != nil {
		// Only what stops other commands too counts: -MASTERDOWN is in LinkUp, and a
		// PING that is forbidden or renamed means nothing.
		if answer, reason := answerOf(addr, err); answer == StateLoading || answer == StateBusy {
			o.answer, o.err = answer, reason
		}
	}
}

func (o *observation) readKeys(_ string, r resp.Reply) {
	if r.Err() == nil && o.answer == StateUp { // while it loads, keys are still to come
		var n int64
		for _, keys := range parseKeyspace(resp.ParseInfo(r.Text())) {
			n += keys
		}
		o.keys = &n
	}
}

func (o *observation) readMemory(_ string, r resp.Reply) {
	if r.Err() == nil {
		info := resp.ParseInfo(r.Text())
		n := infoInt(info, "used_memory")
		o.memory, o.maxMemory = &n, infoInt(info, "maxmemory")
	}
}

func (o *observation) readServer(_ string, r resp.Reply) {
	if r.Err() == nil {
		info := resp.ParseInfo(r.Text())
		o.runID, o.version = info["run_id"], info["redis_version"]
	}
}

// readDurable reads a name and a value of CONFIG GET, which may be forbidden.
func (o *observation) readDurable(_ string, r resp.Reply) {
	if r.Err() != nil || len(r.Array) != 2 {
		return
	}
	switch name, value := r.Array[0].Text(), r.Array[1].Text(); {
	case name == "appendonly" && value == "yes", name == "save" && value != "":
		o.durable = DurableYes
	case o.durable == DurableUnknown:
		o.durable = DurableNo
	}
}

// Durable says whether a server keeps its data on its disk.
type Durable uint8

const (
	// DurableUnknown: it does not let us ask.
	DurableUnknown Durable = iota
	// DurableNo: it starts empty after it has ended.
	DurableNo
	// DurableYes: it writes a log or snapshots.
	DurableYes
)
