package admin

import (
	"context"
	"strconv"

	"codis/raftstore/topology"
)

// The functions of this file read the words of what moves slots, and nothing else.

// parseMigrate reads start end gid [DRYRUN] [CONSENT] [FORCE] [KEYS n] [BYTES n].
func parseMigrate(args [][]byte) (change, error) {
	span, err := parseSlots(args[0], args[1])
	if err != nil {
		return nil, err
	}
	r := Migrate{Span: span}
	if r.To, err = parseGroup(args[2]); err != nil {
		return nil, err
	}
	return r.change(args[3:])
}

// parseMigrateCount reads count from to [DRYRUN] [CONSENT] [FORCE] [KEYS n] [BYTES n].
func parseMigrateCount(args [][]byte) (change, error) {
	some := topology.MigrateCount{}
	var err error
	if some.Count, err = strconv.Atoi(string(args[0])); err != nil {
		return nil, badArg("%s is not a number of slots", quote(args[0]))
	}
	if some.From, err = parseGroup(args[1]); err != nil {
		return nil, err
	}
	if some.To, err = parseGroup(args[2]); err != nil {
		return nil, err
	}
	return Migrate{Some: &some}.change(args[3:])
}

// change reads the options that follow what is to be moved.
func (r Migrate) change(rest [][]byte) (_ change, err error) {
	for len(rest) > 0 {
		if rest, err = r.MoveOptions.parse(rest); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context, o *Ops, who Caller) (answer, error) { return o.Migrate(ctx, who, r) }, nil
}

// parseRebalance reads [DRYRUN] [BY what] [WEIGHT gid w ...] [CONSENT] [FORCE] [KEYS n] [BYTES n].
func parseRebalance(args [][]byte) (change, error) {
	r := Rebalance{By: topology.BySlots, Weights: map[int]int{}}
	var err error
	for rest := args; len(rest) > 0; {
		switch {
		case is(rest[0], "BY"):
			rest, err = r.parseBy(rest)
		case is(rest[0], "WEIGHT"):
			rest, err = r.parseWeights(rest)
		default:
			rest, err = r.MoveOptions.parse(rest)
		}
		if err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context, o *Ops, who Caller) (answer, error) { return o.Rebalance(ctx, who, r) }, nil
}

func (r *Rebalance) parseBy(args [][]byte) (rest [][]byte, err error) {
	for _, by := range []topology.RebalanceBy{topology.BySlots, topology.ByKeys, topology.ByMemory} {
		if len(args) > 1 && is(args[1], string(by)) {
			r.By = by
			return args[2:], nil
		}
	}
	return nil, badArg("BY takes slots, keys or memory")
}

// parseWeights reads WEIGHT and the pairs of numbers that follow it.
func (r *Rebalance) parseWeights(args [][]byte) (rest [][]byte, err error) {
	rest = args[1:]
	for len(rest) > 0 && isNumber(rest[0]) {
		if len(rest) == 1 {
			return nil, badArg("WEIGHT has group %s without a weight", quote(rest[0]))
		}
		id, err := parseGroup(rest[0])
		if err != nil {
			return nil, err
		}
		weight, err := strconv.Atoi(string(rest[1]))
		if err != nil || weight < 0 || weight > topology.MaxWeight {
			return nil, badArg("weight %s of group %d is not a number from 0 to %d", quote(rest[1]), id, topology.MaxWeight)
		}
		if _, twice := r.Weights[id]; twice {
			return nil, badArg("group %d has two weights", id)
		}
		r.Weights[id], rest = weight, rest[2:]
	}
	if len(r.Weights) == 0 {
		return nil, badArg("WEIGHT takes pairs of a group and its weight")
	}
	return rest, nil
}

func isNumber(arg []byte) bool {
	_, err := strconv.Atoi(string(arg))
	return err == nil
}

// parse reads one of the words that go with every job.
func (m *MoveOptions) parse(args [][]byte) (rest [][]byte, err error) {
	switch {
	case is(args[0], "DRYRUN"):
		m.DryRun = true
		return args[1:], nil
	case is(args[0], "CONSENT"):
		m.Job.Consent = true
		return args[1:], nil
	case is(args[0], "FORCE"):
		m.Force = true
		return args[1:], nil
	case is(args[0], "KEYS"):
		m.Job.KeysPerSecond, err = parseRate(args)
	case is(args[0], "BYTES"):
		m.Job.BytesPerSecond, err = parseRate(args)
	default:
		err = badArg("unexpected %s, see CODIS.HELP", quote(args[0]))
	}
	if err != nil {
		return nil, err
	}
	return args[2:], nil
}

// parseRate reads what follows KEYS or BYTES.
func parseRate(args [][]byte) (int64, error) {
	if len(args) < 2 {
		return 0, badArg("%s needs a number a second", quote(args[0]))
	}
	n, err := strconv.ParseInt(string(args[1]), 10, 64)
	if err != nil || n < 1 {
		return 0, badArg("%s %s: that is not a number above 0", shown(args[0]), quote(args[1]))
	}
	return n, nil
}

// parseJob reads a job's ID.
func parseJob(arg []byte) (uint64, error) {
	id, err := strconv.ParseUint(string(arg), 10, 64)
	if err != nil {
		return 0, badArg("job %s is not a number", quote(arg))
	}
	return id, nil
}

func parseJobPause(args [][]byte) (change, error) {
	id, err := parseJob(args[0])
	return func(ctx context.Context, o *Ops, who Caller) (answer, error) {
		return o.JobPause(ctx, who, JobPause{ID: id})
	}, err
}

func parseJobResume(args [][]byte) (change, error) {
	id, err := parseJob(args[0])
	return func(ctx context.Context, o *Ops, who Caller) (answer, error) {
		return o.JobResume(ctx, who, JobResume{ID: id})
	}, err
}

func parseJobCancel(args [][]byte) (change, error) {
	id, err := parseJob(args[0])
	return func(ctx context.Context, o *Ops, who Caller) (answer, error) {
		return o.JobCancel(ctx, who, JobCancel{ID: id})
	}, err
}

func parseJobForce(args [][]byte) (change, error) {
	id, err := parseJob(args[0])
	return func(ctx context.Context, o *Ops, who Caller) (answer, error) {
		return o.JobForce(ctx, who, JobForce{ID: id})
	}, err
}

// parseJobLimit reads id [KEYS n] [BYTES n], where 0 stands for the setting.
func parseJobLimit(args [][]byte) (change, error) {
	id, err := parseJob(args[0])
	if err != nil {
		return nil, err
	}
	r := JobLimit{ID: id}
	for rest := args[1:]; len(rest) > 0; rest = rest[2:] {
		var limit int64
		if len(rest) > 1 {
			limit, err = strconv.ParseInt(string(rest[1]), 10, 64)
		}
		switch {
		case err != nil || len(rest) == 1 || limit < 0:
			return nil, badArg("%s needs a number a second, 0 for what the settings say", quote(rest[0]))
		case is(rest[0], "KEYS"):
			r.KeysPerSecond = &limit
		case is(rest[0], "BYTES"):
			r.BytesPerSecond = &limit
		default:
			return nil, badArg("unexpected %s, only KEYS and BYTES may follow", quote(rest[0]))
		}
	}
	return func(ctx context.Context, o *Ops, who Caller) (answer, error) { return o.JobLimit(ctx, who, r) }, nil
}

// parseFsckRepair reads [ORPHANS].
func parseFsckRepair(args [][]byte) (change, error) {
	r := FsckRepair{}
	if len(args) == 1 {
		if r.Orphans = is(args[0], "ORPHANS"); !r.Orphans {
			return nil, badArg("unexpected %s, only ORPHANS may follow", quote(args[0]))
		}
	}
	return func(ctx context.Context, o *Ops, who Caller) (answer, error) { return o.FsckRepair(ctx, who, r) }, nil
}
