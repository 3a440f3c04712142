package resptest

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A test process that is killed leaves no server behind. The test runs itself
// again, as a process that starts a server, and kills that process.
func TestServerDiesWithItsParent(t *testing.T) {
	if os.Getenv("RESPTEST_CHILD") != "" {
		fmt.Println("server", StartRedis(t).Cmd.Process.Pid)
		time.Sleep(time.Minute) // killed meanwhile
		return
	}
	child := exec.Command(os.Args[0], "-test.run=^TestServerDiesWithItsParent$", "-test.v")
	child.Env = append(os.Environ(), "RESPTEST_CHILD=1", "TMPDIR="+t.TempDir())
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	pid := 0
	for lines := bufio.NewScanner(out); pid == 0 && lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "server "); ok {
			pid, _ = strconv.Atoi(text)
		}
	}
	child.Process.Kill()
	child.Wait()
	if pid == 0 {
		t.Fatal("the child has started no server")
	}
	for range 1000 {
		// A zombie that nobody has reaped yet is as good as gone.
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if errors.Is(err, os.ErrNotExist) || strings.Contains(string(stat), ") Z ") {
			return
		}
		time.Sleep(5 * time.Millisecond) // the kernel tells nobody
	}
	syscall.Kill(pid, syscall.SIGKILL)
	t.Errorf("redis-server %d outlived its parent", pid)
}
