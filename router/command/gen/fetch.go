package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"

	"codis/router/resp"
)

// source says where the replies come from.
type source struct {
	fetch bool
	addr  string
}

const patience = 10 * time.Second

// write stores the server's replies as they come.
func (src source) write(files replyFiles) error {
	addr := src.addr
	if addr == "" {
		server, stop, err := startServer()
		if err != nil {
			return err
		}
		defer stop()
		addr = server
	}
	for path, args := range map[string][]string{
		files.commands: {"COMMAND"},
		files.docs:     {"COMMAND", "DOCS"},
	} {
		raw, err := ask(addr, args)
		if err != nil {
			return fmt.Errorf("ask %s for %v: %w", addr, args, err)
		}
		if err := os.WriteFile(path, raw, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// ask returns the reply to one request, byte for byte.
func ask(addr string, args []string) ([]byte, error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if _, err := conn.Write(resp.AppendCommandStrings(nil, args...)); err != nil {
		return nil, err
	}
	var scanner resp.ReplyScanner
	var raw []byte
	chunk := make([]byte, 64<<10)
	for {
		n, err := conn.Read(chunk)
		raw = append(raw, chunk[:n]...)
		if size, scanErr := scanner.Next(raw); scanErr != nil {
			return nil, scanErr
		} else if size > 0 {
			return raw[:size], nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// startServer starts a redis-server on a free port and waits until it answers.
func startServer() (addr string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	addr = listener.Addr().String()
	listener.Close()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", nil, err
	}
	server := exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1",
		"--save", "", "--appendonly", "no")
	if err := server.Start(); err != nil {
		return "", nil, fmt.Errorf("start redis-server (name a running one with --addr): %w", err)
	}
	stop = func() {
		// It has nothing to save, and it is ours.
		_ = server.Process.Kill()
		_ = server.Wait()
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if _, err := ask(addr, []string{"PING"}); err == nil {
			return addr, stop, nil
		}
		time.Sleep(20 * time.Millisecond) // it has no way to tell us that it listens
	}
	stop()
	return "", nil, errors.New("redis-server does not answer")
}
