package migrate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"codis/migrate/failover"
	"codis/raftstore/topology"
	"codis/router/resp"
)

// link is a connection to a group's master: requests are appended to out, and do
// sends them all and reads all replies. One goroutine uses it at a time.
type link struct {
	group   int
	addr    string
	conn    net.Conn
	timeout time.Duration
	out     []byte
	facts   serverFacts
	// in and frames are what the last replies are in, to be used again; with borrow,
	// in is taken from there anew each time.
	in      []byte
	lengths []int
	frames  [][]byte
	borrow  func() []byte
	// commands counts replies.
	commands atomic.Int64
}

// serverFacts is what a server said of itself when the link was made.
type serverFacts struct {
	runID, replID string
	master        bool
	// replicas counts those that are connected and in step.
	replicas int
	// keys by database, the empty ones left out.
	keys map[int]int64
	// appendOnly: it keeps an append-only file.
	appendOnly bool
	// volatile are the databases that have keys with an expiry.
	volatile map[int]bool
}

// open connects to a group's master and asks who it is.
func (c *Controller) open(ctx context.Context, s *topology.State, group int) (*link, error) {
	g, ok := s.Groups[group]
	if !ok {
		return nil, fmt.Errorf("there is no group %d", group)
	}
	return c.openServer(ctx, s, group, g.Master)
}

func (c *Controller) openServer(ctx context.Context, s *topology.State, group int, addr string) (*link, error) {
	t := failover.TargetFor(s, group, addr)
	client, err := resp.Dial(ctx, resp.ClientOptions{
		Addr: t.Addr, User: t.Auth.User, Password: t.Auth.Password, Name: "codis-mover:" + c.cfg.Name,
		DialTimeout: c.cfg.DialTimeout, Timeout: c.cfg.DialTimeout,
	})
	if err != nil {
		return nil, fmt.Errorf("group %d: %w", group, err)
	}
	conn, err := client.Detach()
	if err != nil {
		_ = client.Close()
		return nil, fmt.Errorf("group %d: %w", group, err)
	}
	l := &link{group: group, addr: t.Addr, conn: conn, timeout: c.cfg.CallTimeout}
	if l.facts, err = l.ask(ctx); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// openMaster refuses a server that does not say that it is a master, and one that has
// restarted and that package failover has not looked at yet: it may have less than it
// had (SAFETY F4), and having no keys ends a move.
func (c *Controller) openMaster(ctx context.Context, s *topology.State, group int) (*link, error) {
	l, err := c.open(ctx, s, group)
	if err != nil {
		return nil, err
	}
	switch recorded := runIDOf(s, group, l.addr); {
	case !l.facts.master:
		err = fmt.Errorf("group %d: server %s is not a master", group, l.addr)
	case recorded != "" && recorded != l.facts.runID:
		err = fmt.Errorf("group %d: server %s has restarted and is not the process that the table knows: it is not used before it is known what it has, see CODIS.INFO", group, l.addr)
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// runIDOf is the run ID that a state has of a server; empty when it has none.
func runIDOf(s *topology.State, group int, addr string) string {
	for _, server := range s.Groups[group].Servers {
		if server.Addr == addr {
			return server.RunID
		}
	}
	return ""
}

func (l *link) close() { _ = l.conn.Close() }

// ask reads INFO.
func (l *link) ask(ctx context.Context) (serverFacts, error) {
	r, err := l.one(ctx, "INFO")
	if err != nil {
		return serverFacts{}, err
	}
	info := resp.ParseInfo(r.Text())
	f := serverFacts{runID: info["run_id"], replID: info["master_replid"], master: info["role"] == "master", appendOnly: info["aof_enabled"] == "1",
		keys: map[int]int64{}, volatile: map[int]bool{}}
	for name, value := range info {
		if strings.HasPrefix(name, "slave") && strings.Contains(value, "state=online") {
			f.replicas++
		}
		if db, err := strconv.Atoi(strings.TrimPrefix(name, "db")); err == nil && strings.HasPrefix(name, "db") {
			count, _, _ := strings.Cut(strings.TrimPrefix(value, "keys="), ",")
			f.keys[db], _ = strconv.ParseInt(count, 10, 64)
			f.volatile[db] = !strings.Contains(value, ",expires=0,")
		}
	}
	if f.runID == "" {
		return f, l.wrap(errors.New("INFO has no run_id"))
	}
	return f, nil
}

// number reads a whole number of INFO, 0 where there is none.
func number(info map[string]string, name string) int64 {
	n, _ := strconv.ParseInt(info[name], 10, 64)
	return n
}

// request appends a command.
func (l *link) request(args ...string) { l.out = resp.AppendCommandStrings(l.out, args...) }

// one sends one command; an error reply is an error.
func (l *link) one(ctx context.Context, args ...string) (resp.Reply, error) {
	l.request(args...)
	frames, err := l.do(ctx, 1)
	if err != nil {
		return resp.Reply{}, err
	}
	r, _, err := resp.ParseReply(frames[0])
	if err == nil {
		err = r.Err()
	}
	if err != nil {
		return r, l.wrap(fmt.Errorf("%s: %w", args[0], err))
	}
	return r, nil
}

// do sends out and reads n replies, each whole and as it came, good until the next
// do. After an error the link is of no use.
func (l *link) do(ctx context.Context, n int) ([][]byte, error) {
	frames, err := l.exchange(ctx, n)
	if cap(l.out) > 4<<20 {
		l.out = nil
	}
	l.out = l.out[:0]
	if err != nil {
		l.close()
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, l.wrap(err)
	}
	return frames, nil
}

// Do is do for a bigkey.Server: the replies' memory is not used again.
func (l *link) Do(ctx context.Context, requests []byte, n int) ([][]byte, error) {
	l.out = append(l.out, requests...)
	frames, err := l.do(ctx, n)
	l.in, l.frames = nil, nil
	return frames, err
}

func (l *link) exchange(ctx context.Context, n int) ([][]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := l.conn.SetDeadline(time.Now().Add(l.timeout)); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = l.conn.Close() })
	defer stop()
	// The server reads all of it whether or not we read: it keeps replies in memory.
	if _, err := l.conn.Write(l.out); err != nil {
		return nil, err
	}
	if l.borrow != nil {
		l.in = l.borrow()
	} else if cap(l.in) > 4<<20 {
		l.in = nil
	}
	var scan resp.ReplyScanner
	buf, start, lengths := l.in[:0], 0, l.lengths[:0]
	for len(lengths) < n {
		m, err := scan.Next(buf[start:])
		if err != nil {
			return nil, err
		}
		if m > 0 {
			start += m
			lengths = append(lengths, m)
			continue
		}
		if len(buf) == cap(buf) {
			grown := make([]byte, len(buf), max(4<<10, 2*cap(buf)))
			copy(grown, buf)
			buf = grown
		}
		read, err := l.conn.Read(buf[len(buf):cap(buf)])
		if read == 0 && err != nil {
			return nil, err
		}
		buf = buf[:len(buf)+read]
	}
	if start < len(buf) {
		return nil, errors.New("bytes that nobody asked for")
	}
	l.commands.Add(int64(n))
	l.in, l.lengths, l.frames = buf, lengths, l.frames[:0]
	for _, m := range lengths { // only now the bytes stay where they are
		l.frames = append(l.frames, buf[:m:m])
		buf = buf[m:]
	}
	return l.frames, nil
}

func (l *link) wrap(err error) error {
	if errors.Is(err, errMovedOn) {
		return err
	}
	return fmt.Errorf("group %d, server %s: %w", l.group, l.addr, err)
}

// status reads the reply to a script that answers OK.
func (l *link) status(frame []byte) error {
	r, _, err := resp.ParseReply(frame)
	if err == nil {
		err = r.Err()
	}
	if err == nil && r.Text() != "OK" {
		err = fmt.Errorf("it answered %s", r.Text())
	}
	if err != nil {
		return l.wrap(err)
	}
	return nil
}

// need is how many replicas of a group must have what a WAIT is for: all that are
// attached, and no less than are connected, since WAIT counts those of strangers.
func need(s *topology.State, group int, f serverFacts) int {
	return max(len(s.Groups[group].Servers)-1, f.replicas)
}

// wait appends WAIT, where there is someone to wait for; it returns how many
// replies that makes.
func (l *link) wait(replicas int, timeout time.Duration) int {
	if replicas <= 0 {
		return 0
	}
	l.request("WAIT", strconv.Itoa(replicas), strconv.FormatInt(timeout.Milliseconds(), 10))
	return 1
}

// waited reads the reply of WAIT.
func (l *link) waited(frame []byte, replicas int) error {
	r, _, err := resp.ParseReply(frame)
	if err == nil {
		err = r.Err()
	}
	if err == nil && r.Int < int64(replicas) {
		err = fmt.Errorf("%w: %d of %d replicas", errReplicas, r.Int, replicas)
	}
	if err != nil {
		return l.wrap(err)
	}
	return nil
}

// errReplicas is returned when a WAIT came to its end before all replicas had
// acknowledged.
var errReplicas = errors.New("replicas have not acknowledged")
