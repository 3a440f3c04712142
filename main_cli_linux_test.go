package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"codis/router/resp/resptest"
)

// onTerminal runs the binary with a terminal of so many columns as its standard
// output, and returns what it wrote there.
func onTerminal(t *testing.T, columns uint16, env []string, args ...string) string {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminal can be made here: %v", err)
	}
	defer master.Close()
	fd := int(master.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns})
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(within(t, patience), binary(t), args...)
	cmd.Stdout, cmd.Env = slave, append([]string{"TERM=xterm"}, env...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	text, _ := io.ReadAll(master) // it ends with EIO when the last writer has gone
	if err := cmd.Wait(); err != nil {
		t.Errorf("codis %s: %v", strings.Join(args, " "), err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

// TestTerminal: tables fit it, and have colours unless NO_COLOR or TERM say no.
func TestTerminal(t *testing.T) {
	c := newCluster(t, 1, []string{resptest.StartRedis(t).Addr})
	args := []string{"slots", "--addr", c.addr(0)}
	const bold = "\x1b[1m"
	if text := onTerminal(t, 40, nil, args...); !strings.Contains(text, bold+"SLOTS") {
		t.Errorf("no colours on a terminal: %q", text)
	}
	for _, env := range []string{"NO_COLOR=1", "TERM=dumb"} {
		text := onTerminal(t, 40, []string{env}, args...)
		if strings.Contains(text, "\x1b") {
			t.Errorf("%s: colours: %q", env, text)
		}
		for line := range strings.Lines(text) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 50 { // six columns can't be narrower
				t.Errorf("%s: a line of %d characters: %q", env, n, line)
			}
		}
		if !strings.Contains(text, "127.0.0…") {
			t.Errorf("%s: no address was cut: %q", env, text)
		}
	}
	if text := onTerminal(t, 200, []string{"NO_COLOR=1"}, args...); strings.Contains(text, "…") {
		t.Errorf("cut although there is room: %q", text)
	}
	if text := onTerminal(t, 80, nil, "slots", "--json", "--addr", c.addr(0)); strings.Contains(text, "\x1b") {
		t.Errorf("JSON with colours: %q", text)
	}
}
