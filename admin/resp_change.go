package admin

import (
	"context"

	"codis/raftstore/topology"
)

// The functions of this file read the words of a change, and nothing else.

func parseNodeRemove(args [][]byte) (change, error) {
	force, err := parseForce(args[1:])
	r := NodeRemove{ID: string(args[0]), Force: force}
	return func(ctx context.Context, o *Ops, who Caller) (answer, error) { return o.NodeRemove(ctx, who, r) }, err
}

func parseNodeTransfer(args [][]byte) (change, error) {
	r := NodeTransfer{ID: string(args[0])}
	return func(ctx context.Context, o *Ops, who Caller) (answer, error) { return o.NodeTransfer(ctx, who, r) }, nil
}

// parseGroupAdd reads gid master [replica ...] [FORCE] [AUTH [user] password].
// No address is a word without a colon, so the key words can't be mistaken.
func parseGroupAdd(args [][]byte) (change, error) {
	id, err := parseGroup(args[0])
	if err != nil {
		return nil, err
	}
	r := GroupAdd{ID: id}
	for i := 1; i < len(args); i++ {
		if is(args[i], "AUTH") {
			if r.Auth, err = parseAuth(args[i+1:]); err != nil {
				return nil, err
			}
			break
		}
		if is(args[i], "FORCE") {
			r.Force = true
			continue
		}
		addr, err := parseAddr(args[i])
		if err != nil {
			return nil, err
		}
		r.Servers = append(r.Servers, addr)
	}
	switch {
	case len(r.Servers) == 0:
		return nil, badArg("group %d needs the address of a master", id)
	case len(r.Servers) > topology.MaxServers:
		return nil, badArg("a group has at most %d servers", topology.MaxServers)
	}
	return func(ctx context.Context, o *Ops, who Caller) (answer, error) { return o.GroupAdd(ctx, who, r) }, nil
}

func parseGroupDel(args [][]byte) (change, error) {
	id, err := parseGroup(args[0])
	return func(ctx context.Context, o *Ops, who Caller) (answer, error) {
		return o.GroupDel(ctx, who, GroupDel{ID: id})
	}, err
}

func parseGroupAttach(args [][]byte) (change, error) {
	m, force, err := parseMember(args)
	return func(ctx context.Context, o *Ops, who Caller) (answer, error) {
		return o.GroupAttach(ctx, who, GroupAttach{ID: m.group, Addr: m.addr, Force: force})
	}, err
}

func parseGroupDetach(args [][]byte) (change, error) {
	m, force, err := parseMember(args)
	return func(ctx context.Context, o *Ops, who Caller) (answer, error) {
		return o.GroupDetach(ctx, who, GroupDetach{ID: m.group, Addr: m.addr, Force: force})
	}, err
}

func parseGroupPromote(args [][]byte) (change, error) {
	m, force, err := parseMember(args)
	return func(ctx context.Context, o *Ops, who Caller) (answer, error) {
		return o.GroupPromote(ctx, who, TurnRequest{Group: m.group, Addr: m.addr, Force: force})
	}, err
}

func parseGroupReplace(args [][]byte) (change, error) {
	m, force, err := parseMember(args)
	return func(ctx context.Context, o *Ops, who Caller) (answer, error) {
		return o.GroupReplace(ctx, who, TurnRequest{Group: m.group, Addr: m.addr, Force: force})
	}, err
}

func parseGroupAuth(args [][]byte) (change, error) {
	id, err := parseGroup(args[0])
	if err != nil {
		return nil, err
	}
	auth, err := parseAuth(args[1:])
	return func(ctx context.Context, o *Ops, who Caller) (answer, error) {
		return o.GroupAuth(ctx, who, GroupAuth{ID: id, Auth: auth})
	}, err
}

func parseGroupZone(args [][]byte) (change, error) {
	m, _, err := parseMember(args[:2])
	zone := string(args[2])
	return func(ctx context.Context, o *Ops, who Caller) (answer, error) {
		return o.GroupZone(ctx, who, GroupZone{ID: m.group, Addr: m.addr, Zone: zone})
	}, err
}

func parseAssign(args [][]byte) (change, error) {
	span, err := parseSlots(args[0], args[1])
	if err != nil {
		return nil, err
	}
	id, err := parseGroup(args[2])
	r := Assign{Range: topology.SlotRange{Start: span.Start, End: span.End, Group: id}}
	return func(ctx context.Context, o *Ops, who Caller) (answer, error) { return o.Assign(ctx, who, r) }, err
}

func parseAssignAuto([][]byte) (change, error) {
	return func(ctx context.Context, o *Ops, who Caller) (answer, error) {
		return o.Assign(ctx, who, Assign{Auto: true})
	}, nil
}

func parseConfigSet(args [][]byte) (change, error) {
	r := ConfigSet{Name: string(args[0]), Value: string(args[1])}
	return func(ctx context.Context, o *Ops, who Caller) (answer, error) { return o.ConfigSet(ctx, who, r) }, nil
}

// member is a server of a group.
type member struct {
	group int
	addr  string
}

// parseMember reads gid addr [FORCE].
func parseMember(args [][]byte) (m member, force bool, err error) {
	if m.group, err = parseGroup(args[0]); err != nil {
		return m, false, err
	}
	if m.addr, err = parseAddr(args[1]); err != nil {
		return m, false, err
	}
	force, err = parseForce(args[2:])
	return m, force, err
}
