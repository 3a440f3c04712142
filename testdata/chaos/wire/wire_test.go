package wire

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"testing"
	"time"
)

// newEcho starts a server that answers lines, behind a proxy, and returns the
// proxy's address and what the server has read.
func newEcho(t *testing.T) (n *Net, addr string, got chan string) {
	t.Helper()
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	got = make(chan string, 100)
	go func() { // ends with the listener
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for in := bufio.NewScanner(c); in.Scan(); fmt.Fprintln(c, in.Text()) {
					got <- in.Text()
				}
			}()
		}
	}()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = free.Addr().String()
	free.Close()
	n = New(func() map[int]string { return map[int]string{os.Getpid(): "me"} })
	t.Cleanup(func() { n.Close(); server.Close() })
	if err := n.Proxy("echo", addr, server.Addr().String()); err != nil {
		t.Fatal(err)
	}
	return n, addr, got
}

type client struct {
	net.Conn
	in *bufio.Reader
}

func dial(t *testing.T, addr string) client {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return client{c, bufio.NewReader(c)}
}

// ask sends a line and waits for the answer for so long.
func (c client) ask(text string, patience time.Duration) error {
	if _, err := fmt.Fprintln(c, text); err != nil {
		return err
	}
	return c.hear(patience)
}

func (c client) hear(patience time.Duration) error {
	c.SetReadDeadline(time.Now().Add(patience))
	_, err := c.in.ReadString('\n')
	return err
}

const short, long = 150 * time.Millisecond, 5 * time.Second

func TestFreezeDeliversLate(t *testing.T) {
	n, addr, got := newEcho(t)
	c := dial(t, addr)
	if err := c.ask("one", long); err != nil {
		t.Fatal(err)
	}
	<-got
	if s := n.Sources("echo"); len(s) != 1 || s[0] != "me" {
		t.Fatalf("got connections of %q, want one of this process", s)
	}
	heal := n.Apply(Fault{Kind: Freeze, From: "me", To: "echo"})
	if err := c.ask("two", short); err == nil {
		t.Error("an answer came over a frozen link")
	}
	c.Close()
	heal()
	select {
	case text := <-got:
		if text != "two" {
			t.Errorf("got %q", text)
		}
	case <-time.After(long):
		t.Error("what was sent before the close did not arrive after the fault")
	}
}

func TestFreezeReplies(t *testing.T) {
	n, addr, got := newEcho(t)
	c := dial(t, addr)
	heal := n.Apply(Fault{Kind: FreezeReplies, To: "echo"})
	if err := c.ask("one", short); err == nil {
		t.Error("a reply came")
	}
	if text := <-got; text != "one" {
		t.Errorf("got %q", text)
	}
	heal()
	if err := c.hear(long); err != nil {
		t.Error(err)
	}
}

func TestResetAndOthersLinks(t *testing.T) {
	n, addr, _ := newEcho(t)
	c := dial(t, addr)
	if err := c.ask("one", long); err != nil {
		t.Fatal(err)
	}
	healOther := n.Apply(Fault{Kind: Reset, From: "somebody else"})
	if err := c.ask("two", long); err != nil {
		t.Errorf("another process's fault: %v", err)
	}
	healOther()
	heal := n.Apply(Fault{Kind: Reset})
	if err := c.hear(long); err == nil {
		t.Error("the connection lives")
	}
	if err := dial(t, addr).ask("three", long); err == nil {
		t.Error("a new connection lives")
	}
	heal()
	if err := dial(t, addr).ask("four", long); err != nil {
		t.Error(err)
	}
}

func TestDelay(t *testing.T) {
	n, addr, _ := newEcho(t)
	c := dial(t, addr)
	n.Apply(Fault{Kind: Delay, Delay: 60 * time.Millisecond})
	begin := time.Now()
	if err := c.ask("one", long); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < 120*time.Millisecond {
		t.Errorf("took %v, want 60 ms each way", took)
	}
}
