package poll

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// peer is a handler whose behaviour a test sets.
type peer struct {
	conn     *Conn
	readable func(*peer, []byte)
	drained  func(*peer)
	closed   chan error
}

func (p *peer) Readable(data []byte) {
	if p.readable != nil {
		p.readable(p, data)
	}
}

func (p *peer) Drained() {
	if p.drained != nil {
		p.drained(p)
	}
}

func (p *peer) Ended() { p.conn.fail(io.EOF) }

func (p *peer) Closed(err error) { p.closed <- err }

// echo writes back what it reads.
func echo(p *peer, data []byte) { p.conn.Write(data) }

// hooks are what a test has done at both ends of a round; nil does nothing.
type hooks struct{ begin, end func() }

func (h hooks) BeginRound() {
	if h.begin != nil {
		h.begin()
	}
}

func (h hooks) EndRound() {
	if h.end != nil {
		h.end()
	}
}

// startLoop runs a loop until the end of the test.
func startLoop(tb testing.TB, h hooks) *Loop {
	tb.Helper()
	l, err := New(h)
	if err != nil {
		tb.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- l.Run() }()
	tb.Cleanup(func() {
		l.Stop()
		select {
		case err := <-done:
			if err != nil {
				tb.Errorf("run: %v", err)
			}
		case <-time.After(5 * time.Second):
			tb.Error("the loop has not ended")
		}
	})
	return l
}

// dial connects a client to p on the loop and returns the client's end.
func dial(tb testing.TB, l *Loop, p *peer) net.Conn {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = client.Close() })
	_ = client.SetDeadline(time.Now().Add(10 * time.Second))
	served, err := ln.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	p.closed = make(chan error, 1)
	opened := make(chan struct{})
	err = l.Take(served, func(c *Conn) Handler {
		p.conn = c
		close(opened)
		return p
	})
	if err != nil {
		tb.Fatal(err)
	}
	<-opened
	return client
}

func wantClosed(tb testing.TB, p *peer, want error) {
	tb.Helper()
	select {
	case err := <-p.closed:
		if !errors.Is(err, want) {
			tb.Errorf("closed with %v, want %v", err, want)
		}
	case <-time.After(5 * time.Second):
		tb.Fatal("not closed")
	}
}

func TestEcho(t *testing.T) {
	t.Parallel()
	p := &peer{readable: echo}
	client := dial(t, startLoop(t, hooks{}), p)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MB: more than sockets hold
	go func() { _, _ = client.Write(sent) }()
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(client, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, sent) {
		t.Error("the echo differs")
	}
	_ = client.Close()
	wantClosed(t, p, io.EOF)
}

func TestWriteBothKeepsOrderWhenThePeerDoesNotRead(t *testing.T) {
	t.Parallel()
	l := startLoop(t, hooks{})
	drained := make(chan int, 1)
	p := &peer{drained: func(p *peer) { drained <- p.conn.Unsent() }}
	client := dial(t, l, p)
	var want bytes.Buffer
	head, body := bytes.Repeat([]byte("h"), 1000), bytes.Repeat([]byte("b"), 1<<20)
	for i := range 16 {
		body[0] = byte(i)
		want.Write(head)
		want.Write(body)
	}
	unsent := make(chan int, 1)
	l.Post(func() {
		for i := range 16 {
			body[0] = byte(i)
			p.conn.WriteBoth(head, body)
		}
		unsent <- p.conn.Unsent()
	})
	if n := <-unsent; n == 0 {
		t.Fatal("the kernel took everything: the test tests nothing")
	}
	got := make([]byte, want.Len())
	if _, err := io.ReadFull(client, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("bytes are lost or out of order")
	}
	if n := <-drained; n != 0 {
		t.Errorf("drained with %d bytes unsent", n)
	}
}

func TestPauseReadingMakesThePeerWait(t *testing.T) {
	t.Parallel()
	l := startLoop(t, hooks{})
	var read atomic.Int64
	p := &peer{readable: func(p *peer, data []byte) {
		if read.Add(int64(len(data))) == int64(len(data)) {
			p.conn.PauseReading()
		}
	}}
	client := dial(t, l, p)
	const size = 64 << 20
	written := make(chan error, 1)
	go func() {
		_, err := client.Write(make([]byte, size))
		written <- err
	}()
	select {
	case <-written:
		t.Fatalf("all of %d bytes went out though nobody reads them", size)
	case <-time.After(200 * time.Millisecond): // long enough to fill the sockets
	}
	if n := read.Load(); n > readSize {
		t.Errorf("%d bytes read while paused", n)
	}
	l.Post(func() { p.conn.ResumeReading() })
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	_ = client.Close()
	wantClosed(t, p, io.EOF)
	if n := read.Load(); n != size {
		t.Errorf("read %d bytes, want %d", n, size)
	}
}

func TestResetWhilePausedIsNoticed(t *testing.T) {
	t.Parallel()
	l := startLoop(t, hooks{})
	p := &peer{}
	client := dial(t, l, p)
	l.Post(func() { p.conn.PauseReading() })
	_ = client.(*net.TCPConn).SetLinger(0) // close with a reset
	_ = client.Close()
	select {
	case err := <-p.closed:
		if err == nil {
			t.Error("closed without an error")
		}
	case <-time.After(5 * time.Second):
		t.Fatal("not closed")
	}
}

func TestCloseIsToldLaterAndOnce(t *testing.T) {
	t.Parallel()
	inside := false
	p := &peer{readable: func(p *peer, _ []byte) {
		inside = true
		p.conn.Close()
		p.conn.Close()
		p.conn.Write([]byte("into the void"))
		inside = false
	}}
	told := make(chan bool, 2)
	h := &closeSpy{peer: p, told: func() { told <- inside }}
	l := startLoop(t, hooks{})
	client := dial(t, l, p)
	done := make(chan struct{})
	l.Post(func() { p.conn.handler = h; close(done) })
	<-done
	_, _ = client.Write([]byte("x"))
	if <-told {
		t.Error("Closed was called from inside Readable")
	}
	if _, err := io.ReadAll(client); err != nil {
		t.Error(err)
	}
	select {
	case <-told:
		t.Error("Closed was called twice")
	case <-time.After(20 * time.Millisecond): // nothing may come
	}
}

type closeSpy struct {
	*peer
	told func()
}

func (s *closeSpy) Closed(error) { s.told() }

// TestEndRoundRunsAgainAfterCloses: what a handler does in Closed may need the
// hook, and nothing else would wake the loop for it.
func TestEndRoundRunsAgainAfterCloses(t *testing.T) {
	t.Parallel()
	pending, flushed := false, make(chan struct{}, 1)
	l := startLoop(t, hooks{end: func() {
		if pending {
			pending = false
			flushed <- struct{}{}
		}
	}})
	p := &peer{}
	client := dial(t, l, p)
	done := make(chan struct{})
	l.Post(func() {
		p.conn.handler = &closeSpy{peer: p, told: func() { pending = true }}
		close(done)
	})
	<-done
	_ = client.Close()
	select {
	case <-flushed:
	case <-time.After(5 * time.Second):
		t.Fatal("the hook did not run behind Closed")
	}
}

// TestRoundsBeginBeforeEvents: what is read at the beginning of a round, such as
// a clock, is fresh for everything in it.
func TestRoundsBeginBeforeEvents(t *testing.T) {
	t.Parallel()
	var order []string // only touched by the loop
	l := startLoop(t, hooks{
		begin: func() { order = append(order, "begin") },
		end:   func() { order = append(order, "end") },
	})
	got := make(chan []string, 1)
	p := &peer{readable: func(*peer, []byte) { order = append(order, "event") }}
	client := dial(t, l, p)
	reset := make(chan struct{})
	l.Post(func() { order = order[:0]; close(reset) })
	<-reset
	if _, err := client.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool {
		l.Post(func() { got <- slices.Clone(order) })
		return slices.Contains(<-got, "event")
	})
	l.Post(func() { got <- slices.Clone(order) })
	seen := <-got
	at := slices.Index(seen, "event")
	if at < 1 || seen[at-1] != "begin" || !slices.Contains(seen[at:], "end") {
		t.Errorf("rounds went %v", seen)
	}
}

// waitFor polls until ok, for at most 5 s.
func waitFor(tb testing.TB, ok func() bool) {
	tb.Helper()
	for end := time.Now().Add(5 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatal("waited 5 s in vain")
		}
	}
}

func TestPostFromManyGoroutines(t *testing.T) {
	t.Parallel()
	l := startLoop(t, hooks{})
	const workers, each = 8, 5000
	count := 0 // only touched by the loop
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				if !l.Post(func() { count++ }) {
					t.Error("refused")
				}
			}
		})
	}
	wg.Wait()
	got := make(chan int)
	l.Post(func() { got <- count })
	if n := <-got; n != workers*each {
		t.Errorf("%d of %d functions ran", n, workers*each)
	}
}

func TestStopClosesConnectionsAndRefusesWork(t *testing.T) {
	t.Parallel()
	l, err := New(hooks{})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- l.Run() }()
	p := &peer{}
	client := dial(t, l, p)
	l.Stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wantClosed(t, p, nil)
	if _, err := io.ReadAll(client); err != nil {
		t.Errorf("client: %v", err)
	}
	if l.Post(func() {}) {
		t.Error("a loop that has ended takes work")
	}
	a, b := net.Pipe()
	defer b.Close()
	if err := l.Take(a, nil); err == nil {
		t.Error("a loop that has ended takes a connection")
	}
}

func TestManyConnectionsComeAndGo(t *testing.T) {
	t.Parallel()
	l := startLoop(t, hooks{})
	for range 50 {
		var peers []*peer
		for range 10 {
			p := &peer{readable: echo}
			client := dial(t, l, p)
			peers = append(peers, p)
			if _, err := client.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(client, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			_ = client.Close()
		}
		for _, p := range peers {
			wantClosed(t, p, io.EOF)
		}
	}
	slots := make(chan int)
	l.Post(func() { slots <- len(l.conns) })
	if n := <-slots; n > 20 {
		t.Errorf("%d slots for at most 10 connections at a time", n)
	}
}

// BenchmarkRoundTrip is one byte there and back, two system calls on each side.
func BenchmarkRoundTrip(b *testing.B) {
	p := &peer{readable: echo}
	client := dial(b, startLoop(b, hooks{}), p)
	_ = client.SetDeadline(time.Time{})
	buf := make([]byte, 1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(client, buf); err != nil {
			b.Fatal(err)
		}
	}
}
