package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"codis/router/resp"
)

// session is one command line on its way: its words, where to print, and the
// connection, which is made when it is first needed.
type session struct {
	c     *ucli.Context
	words []string
	out   io.Writer
	json  bool
	// compact JSON takes one line.
	compact bool
	screen  screen
	client  *resp.Client
}

// read asks for something that changes nothing.
func (s *session) read(args ...string) (resp.Reply, error) {
	ctx, cancel := context.WithTimeout(s.c.Context, s.c.Duration("timeout"))
	defer cancel()
	if s.client == nil {
		client, err := s.dial(ctx)
		if err != nil {
			return resp.Reply{}, err
		}
		s.client = client
	}
	return s.client.Do(ctx, args...)
}

// change asks for a change and prints what was done.
func (s *session) change(args ...string) error {
	reply, err := s.send(args...)
	if err != nil {
		return err
	}
	return s.printDone(reply)
}

// send asks for a change. It is sent once: when the answer is lost nobody can know
// here whether the change was made.
func (s *session) send(args ...string) (resp.Reply, error) {
	if s.client == nil {
		client, err := s.dial(s.c.Context)
		if err != nil {
			return resp.Reply{}, err
		}
		s.client = client
	}
	reply, err := s.read(args...)
	if server := (*resp.ServerError)(nil); err != nil && !errors.As(err, &server) {
		return reply, fmt.Errorf("%w; the change may have been made: see codis history before you try again", err)
	}
	return reply, err
}

// dial connects to the first address that can be reached. A node that answers
// and refuses the password ends the search: the others have the same one.
func (s *session) dial(ctx context.Context) (*resp.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, s.c.Duration("timeout"))
	defer cancel()
	var failed []string
	for addr := range strings.SplitSeq(s.c.String("addr"), ",") {
		addr = strings.TrimSpace(addr)
		if addr == "" {
			continue
		}
		client, err := s.dialNode(ctx, addr)
		if err == nil {
			return client, nil
		}
		if server := (*resp.ServerError)(nil); errors.As(err, &server) {
			return nil, err
		}
		failed = append(failed, err.Error())
	}
	if len(failed) == 0 {
		return nil, usagef("--addr names no node")
	}
	return nil, fmt.Errorf("no node can be reached (%s); is one running there? Name another one with --addr or CODIS_ADDR", strings.Join(failed, "; "))
}

// dialNode connects and makes sure that the node answers: one that hangs accepts
// connections still. CODIS.PEER is answered where clients are too many, and where
// PING tells load balancers that the node is going.
func (s *session) dialNode(ctx context.Context, addr string) (*resp.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	client, err := resp.Dial(ctx, resp.ClientOptions{Addr: addr, User: s.c.String("user"), Password: s.c.String("password")})
	if err != nil {
		return nil, err
	}
	if _, err := client.Do(ctx, "CODIS.PEER"); err != nil {
		client.Close()
		return nil, err
	}
	return client, nil
}

// close ends the connection, if there is one.
func (s *session) close() {
	if s.client != nil {
		// Everything that was asked has been answered.
		_ = s.client.Close()
	}
}

// secret returns a password that was given as a word; "-" reads it from the
// standard input, so that it gets neither into the shell's history nor into ps.
func (s *session) secret(word string) (string, error) {
	if word != "-" {
		return word, nil
	}
	line, err := bufio.NewReader(s.c.App.Reader).ReadString('\n')
	if err != nil && (!errors.Is(err, io.EOF) || line == "") {
		return "", fmt.Errorf("read the password from the standard input: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// onOff appends a word of the grammar when a flag was given.
func (s *session) onOff(args []string, flag, word string) []string {
	if s.c.Bool(flag) {
		args = append(args, word)
	}
	return args
}
