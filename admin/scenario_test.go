package admin

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"codis/raftstore/topology"
	"codis/router/resp"
)

var update = flag.Bool("update", false, "rewrite the recorded output")

// TestScenarios runs the scripts of testdata/scenario and compares the replies
// with the recorded ones. In a script, "n2> COMMAND" asks a node, "! WORDS"
// changes the surroundings (see surroundings), "#" starts a comment, and all
// other lines are output.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/scenario/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			script, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := runScript(t, string(script))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(script) {
				t.Errorf("%s: the replies have changed (-update records them):\n%s", file, got)
			}
		})
	}
}

func runScript(t *testing.T, script string) string {
	servers := newFakeServers()
	cluster := newFakeCluster(t, servers)
	var out strings.Builder
	for line := range strings.Lines(script) {
		line = strings.TrimRight(line, "\n")
		switch node, command, isCommand := strings.Cut(line, "> "); {
		case strings.HasPrefix(line, "#") || line == "":
			out.WriteString(line + "\n")
		case strings.HasPrefix(line, "! "):
			out.WriteString(line + "\n")
			surroundings(t, cluster, servers, strings.Fields(line)[1:])
		case isCommand && cluster.nodes[node] != nil:
			out.WriteString(line + "\n")
			raw := cluster.nodes[node].ops.ServeRESP(t.Context(), "10.0.0.9:5000", split(command))
			reply, n, err := resp.ParseReply(raw)
			if err != nil || n != len(raw) {
				t.Fatalf("%s: the reply is no RESP: %q", line, raw)
			}
			render(&out, reply, 0)
		}
	}
	return out.String()
}

// surroundings changes what is around the operations: who leads, how servers are.
func surroundings(t *testing.T, c *fakeCluster, s *fakeServers, words []string) {
	t.Helper()
	switch words[0] {
	case "leader": // leader n2|none
		c.leader = strings.TrimPrefix(words[1], "none")
	case "forward-fails": // forward-fails n2
		c.nodes[words[1]].forwardErr = errors.New("broken pipe")
	case "state": // state addr down
		s.list[words[1]].state = ServerHealth{State: words[2], Err: "no answer in time"}
	case "password": // password addr text
		s.list[words[1]].password = words[2]
	case "keys": // keys addr key ...
		s.list[words[1]].keys = words[2:]
	case "follows": // follows addr master
		s.list[words[1]].follows = words[2]
	case "same-as": // same-as addr addr
		s.list[words[1]].runID = s.list[words[2]].runID
	case "hold", "migrate", "release", "done", "clean", "report": // a step of the mover: see fakeCluster.mover
		c.mover(t, words)
	case "live": // live n1 job keys rate
		p := topology.JobProgress{KeysPerSecond: float64(mustNumber(t, words[4])), Keys: mustNumber(t, words[3]), ETA: 7}
		c.nodes[words[1]].mover.live = map[uint64]topology.JobProgress{uint64(mustNumber(t, words[2])): p}
	case "check": // check name result text-with-dashes
		for _, n := range c.nodes {
			n.mover.checks = append(n.mover.checks, Check{From: 1, To: 2, Name: words[1], Result: CheckResult(words[2]), Text: words[3]})
		}
	case "slot-keys": // slot-keys addr slot count
		c.nodes["n1"].keys.at(words[1]).slots[int(mustNumber(t, words[2]))] = mustNumber(t, words[3])
	case "left-over": // left-over addr slot epoch
		r := Reserved{Slot: int(mustNumber(t, words[2])), Epoch: uint64(mustNumber(t, words[3]))}
		keys := c.nodes["n1"].keys.at(words[1])
		keys.reserved = append(keys.reserved, r)
	case "unreadable": // unreadable addr
		c.nodes["n1"].keys.at(words[1]).err = errors.New(words[1] + ": SCAN: broken pipe")
	case "lease": // lease n2 0s
		d, err := time.ParseDuration(words[2])
		if err != nil {
			t.Fatal(err)
		}
		c.nodes[words[1]].left = d
	default:
		t.Fatalf("unknown words in the script: %q", words)
	}
}

func mustNumber(tb testing.TB, word string) int64 {
	tb.Helper()
	n, err := strconv.ParseInt(word, 10, 64)
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// split makes arguments of words; "" is an empty one.
func split(command string) [][]byte {
	var args [][]byte
	for word := range strings.FieldsSeq(command) {
		args = append(args, []byte(strings.ReplaceAll(word, `""`, "")))
	}
	return args
}

// render writes a reply as a tree, one value a line with the mark of its type.
func render(out *strings.Builder, r resp.Reply, depth int) {
	indent := strings.Repeat("  ", depth+1)
	switch r.Kind {
	case resp.KindArray:
		fmt.Fprintf(out, "%s*%d\n", indent, len(r.Array))
		for _, e := range r.Array {
			render(out, e, depth+1)
		}
	case resp.KindNil:
		fmt.Fprintf(out, "%snil\n", indent)
	case resp.KindInteger:
		fmt.Fprintf(out, "%s:%d\n", indent, r.Int)
	case resp.KindSimple:
		fmt.Fprintf(out, "%s+%s\n", indent, r.Str)
	case resp.KindError:
		fmt.Fprintf(out, "%s-%s\n", indent, r.Str)
	default:
		text := strings.TrimRight(strings.ReplaceAll(string(r.Str), "\r\n", "\n"), "\n")
		for line := range strings.SplitSeq(text, "\n") {
			fmt.Fprintf(out, "%s$ %s\n", indent, line)
		}
	}
}
