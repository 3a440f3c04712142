package admin

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
	default:
		t.Fatalf("unknown words in the script: %q", words)
	}
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
