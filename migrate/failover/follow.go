package failover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"codis/router/resp"
)

const (
	// followPoll is how often a replica is asked how far it is.
	followPoll = 100 * time.Millisecond
	// followSteady is how many looks in a row must find a copy under way to believe
	// it while not a byte has come: a master may save for minutes before it sends,
	// but a replica that is refused looks the same for moments, many times a second.
	followSteady = 10
)

// FollowRequest says who is to follow whom.
type FollowRequest struct {
	Replica, Master Target
	// Progress, when set, is called on Follow's goroutine after each look at the
	// replica. It may not block for long.
	Progress func(FollowProgress)
}

// FollowProgress is how far a replica is.
type FollowProgress struct {
	// Elapsed is the time since REPLICAOF.
	Elapsed time.Duration
	// Looks is the number of looks in a row that found a copy under way.
	Looks int
	Replication
}

// copying says that a copy is really under way.
func (p FollowProgress) copying() bool {
	return p.Syncing && (p.SyncTotal > 0 || p.SyncRead > 0 || p.Looks >= followSteady)
}

// Done says that the link is up and the copy done.
func (p FollowProgress) Done() bool { return p.LinkUp && !p.Syncing }

// Follow makes one server the replica of another and returns when the link is
// up and the copy done, or with the reason when ctx ends first. The replica's
// data is replaced; whether it may be is the caller's decision (CheckAttach).
// After an error REPLICAOF may stand: the replica goes on trying.
func Follow(ctx context.Context, r FollowRequest) error {
	if p, err := BeginFollow(ctx, r); err != nil || p.Done() {
		return err
	}
	_, err := AwaitCopy(ctx, r)
	return err
}

// BeginFollow is Follow that returns as soon as a copy is under way: a large one takes
// longer than a person waits.
func BeginFollow(ctx context.Context, r FollowRequest) (FollowProgress, error) {
	none := FollowProgress{}
	host, port, err := net.SplitHostPort(r.Master.Addr)
	if err != nil {
		return none, &Error{Addr: r.Master.Addr, Kind: ErrUnreachable, Text: "not a host:port address", Cause: err}
	}
	// A master that can't be used would make a replica drop its data for nothing.
	master, err := Inspect(ctx, r.Master)
	if err != nil {
		return none, err
	}
	if master.Role != RoleMaster {
		return none, &Error{Addr: r.Master.Addr, Kind: ErrNotMaster, Text: "it is a replica of " + master.MasterAddr}
	}
	c, err := dial(ctx, r.Replica)
	if err != nil {
		return none, err
	}
	defer c.Close()
	f, err := ask(ctx, c, r.Replica.Addr)
	if err != nil {
		return none, err
	}
	if f.RunID != "" && f.RunID == master.RunID {
		return none, &Error{Addr: r.Replica.Addr, Kind: ErrSameServer, Text: "it is the same server as the master " + r.Master.Addr}
	}

	denied := setMasterAuth(ctx, c, r.Master)
	if _, err := c.Do(ctx, "REPLICAOF", host, port); err != nil {
		return none, explain(r.Replica.Addr, err)
	}
	progress, err := waitLink(ctx, r, wait{denied: denied, begun: true})
	if err != nil {
		return progress, err
	}
	// Kept over a restart where the server has a configuration file, as Sentinel
	// does it; where it has none there is nothing that could be done.
	_, _ = c.Do(ctx, "CONFIG", "REWRITE")
	return progress, nil
}

// AwaitCopy returns when a replica's link is up and its copy done, and with how far it
// is and an error when ctx ends first.
func AwaitCopy(ctx context.Context, r FollowRequest) (FollowProgress, error) {
	return waitLink(ctx, r, wait{})
}

// setMasterAuth gives the replica what it needs to log in to its master, or
// takes away what would be refused there. Its error is not fatal: where CONFIG
// is forbidden the right values may be in the file already; it is told when the
// link stays down.
func setMasterAuth(ctx context.Context, c *resp.Client, master Target) error {
	// masteruser came with Redis 6: before, setting it to nothing fails, and that is as well.
	if err := configSet(ctx, c, "masteruser", master.Auth.User); err != nil && master.Auth.User != "" {
		return err
	}
	if err := configSet(ctx, c, "masterauth", master.Auth.Password); err != nil && master.Auth.Password != "" {
		return err
	}
	return nil
}

// configSet drops the server's error for its text without the value: a server
// whose CONFIG was renamed repeats the arguments of what it does not know.
func configSet(ctx context.Context, c *resp.Client, name, value string) error {
	_, err := c.Do(ctx, "CONFIG", "SET", name, value)
	if err == nil {
		return nil
	}
	text, _, _ := strings.Cut(err.Error(), ", with args beginning with")
	if value != "" {
		text = strings.ReplaceAll(text, value, "***")
	}
	return errors.New(text)
}

// wait is what waitLink waits for.
type wait struct {
	// denied is why masterauth could not be set; nil when it was.
	denied error
	// begun: a copy that is under way will do.
	begun bool
}

// waitLink looks at the replica until its link is up. A replica that drops the
// data it had, or reads in what it got, may not answer for long: a look that
// fails is tried again on a new connection for as long as ctx lasts.
func waitLink(ctx context.Context, r FollowRequest, w wait) (FollowProgress, error) {
	var c *resp.Client
	defer func() {
		if c != nil {
			c.Close()
		}
	}()
	start := time.Now()
	tick := time.NewTicker(followPoll)
	defer tick.Stop()
	var last FollowProgress
	for {
		var err error
		if c == nil {
			c, err = dial(ctx, r.Replica)
		}
		if err == nil {
			var now Replication
			if now, err = askReplication(ctx, c); err == nil {
				last = FollowProgress{Elapsed: time.Since(start), Looks: last.Looks + 1, Replication: now}
				if !now.Syncing {
					last.Looks = 0
				}
				if done, err := r.look(last); done || err != nil || w.begun && last.copying() {
					return last, err
				}
			} else if se := (*resp.ServerError)(nil); !errors.As(err, &se) {
				c.Close()
				c = nil
			}
		}
		last.Elapsed = time.Since(start)
		select {
		case <-ctx.Done():
			return last, noLink(ctx, r, last, w.denied)
		case <-tick.C:
		}
	}
}

func askReplication(ctx context.Context, c *resp.Client) (Replication, error) {
	reply, err := c.Do(ctx, "INFO", "replication")
	if err != nil {
		return Replication{}, err
	}
	return parseReplication(resp.ParseInfo(reply.Text())), nil
}

// look reports progress and says whether the replica has arrived.
func (r FollowRequest) look(now FollowProgress) (done bool, err error) {
	if r.Progress != nil {
		r.Progress(now)
	}
	if now.Role == RoleMaster {
		return false, &Error{Addr: r.Replica.Addr, Kind: ErrNoLink, Text: "someone else made it a master meanwhile", Hint: "find out who, and try again"}
	}
	return now.Done(), nil
}

// noLink names the most likely reason why the link is not up.
func noLink(ctx context.Context, r FollowRequest, last FollowProgress, denied error) *Error {
	e := &Error{Addr: r.Replica.Addr, Kind: ErrNoLink, Cause: context.Cause(ctx)}
	after := last.Elapsed.Round(100 * time.Millisecond)
	switch {
	case last.copying():
		e.Text = fmt.Sprintf("after %v it is still copying from %s", after, r.Master.Addr)
		if last.SyncTotal > 0 {
			e.Text += fmt.Sprintf(" (%d of %d bytes)", last.SyncRead, last.SyncTotal)
		}
		e.Hint = "it goes on by itself"
	case denied != nil:
		e.Text = fmt.Sprintf("after %v it has no link to %s, and its masterauth could not be set (%v)", after, r.Master.Addr, denied)
		e.Hint = "set masterauth (and masteruser) in its configuration"
	default:
		e.Text = fmt.Sprintf("after %v it has no link to %s", after, r.Master.Addr)
		e.Hint = "can it reach the master from its host (address, bind, protected mode, firewall)? Its log says more"
	}
	if last.LinkDownFor > 0 {
		e.Text += fmt.Sprintf(" (down for %v)", last.LinkDownFor)
	}
	return e
}
