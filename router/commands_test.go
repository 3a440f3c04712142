package router

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"codis/router/resp"
	"codis/router/resp/resptest"
)

// splitLine splits a line of testdata/commands.txt into words.
func splitLine(tb testing.TB, line string) []string {
	tb.Helper()
	var words []string
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		if line[0] != '"' {
			word, rest, _ := strings.Cut(line, " ")
			words, line = append(words, word), rest
			continue
		}
		quoted, err := strconv.QuotedPrefix(line)
		if err != nil {
			tb.Fatalf("%q: %v", line, err)
		}
		word, err := strconv.Unquote(quoted)
		if err != nil {
			tb.Fatalf("%q: %v", line, err)
		}
		words, line = append(words, word), line[len(quoted):]
	}
	return words
}

// elements are the texts of an array reply, sorted.
func elements(tb testing.TB, reply string) []string {
	tb.Helper()
	r, _, err := resp.ParseReply([]byte(reply))
	if err != nil {
		tb.Fatalf("%q: %v", reply, err)
	}
	texts := r.Strings()
	slices.Sort(texts)
	return texts
}

// TestCommandsAsPlain runs every line of testdata/commands.txt on both sides.
func TestCommandsAsPlain(t *testing.T) {
	resptest.Needs(t, 7, 0)
	t.Parallel()
	text, err := os.ReadFile("testdata/commands.txt")
	if err != nil {
		t.Fatal(err)
	}
	p, _ := newPair(t, 2, "dump-restore", "yes")
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		mark := byte(0)
		if line[0] == '~' || line[0] == '?' {
			mark, line = line[0], line[1:]
		}
		words := splitLine(t, line)
		if mark == 0 {
			p.same(words...)
			continue
		}
		got, want := p.routed.do(words...), p.plain.do(words...)
		switch {
		case mark == '?' && got[0] != want[0], mark == '~' && !slices.Equal(elements(t, got), elements(t, want)):
			t.Errorf("%q:\nrouted %q\nplain  %q", words, got, want)
		}
	}
}

// TestCommandsRefused sends every command that is refused, for now or for good:
// each gets a clear error, reaches no server, and the connection lives.
func TestCommandsRefused(t *testing.T) {
	t.Parallel()
	r, servers := newCluster(t, 2, Config{})
	w := dialWire(t, r)
	w.wantReply("+OK\r\n", "SET", "witness", "1")
	golden, err := os.ReadFile("command/testdata/table.golden")
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for line := range strings.Lines(string(golden)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[1] != "refuse" && fields[1] != "later" {
			continue
		}
		tried++
		words := strings.Split(fields[0], "|")
		for _, field := range fields {
			arity, isArity := strings.CutPrefix(field, "arity=")
			if n, err := strconv.Atoi(arity); isArity && err == nil {
				for len(words) < max(n, -n) {
					words = append(words, "1")
				}
			}
		}
		got := w.do(words...)
		name := strings.ToUpper(words[0])
		if !strings.HasPrefix(got, "-ERR ") || strings.Contains(got, "unknown command") ||
			!strings.Contains(strings.ToUpper(got), name) && !strings.Contains(got, "cluster support disabled") {
			t.Errorf("%q: got %q", words, got)
		}
		w.wantReply("$1\r\n1\r\n", "GET", "witness")
	}
	if tried < 100 {
		t.Errorf("only %d commands are refused: is %d bytes all of the table?", tried, len(golden))
	}
	for _, server := range servers {
		reply, err := server.Client(t).Do(t.Context(), "CONFIG", "GET", "maxmemory-policy")
		if err != nil || reply.Array[1].Text() != "noeviction" {
			t.Errorf("%s: %v, %v", server.Addr, reply.Strings(), err)
		}
	}
}

// TestCommandsSwitched has the settings that switch commands on and off.
func TestCommandsSwitched(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 2, Config{})
	w := dialWire(t, r)
	set := func(pairs ...string) {
		t.Helper()
		r.mu.Lock()
		state := r.state
		r.mu.Unlock()
		r.SetState(withSettings(t, state, pairs...))
		// Loops adopt the table by a task; one that is posted later runs later.
		if err := r.eachLoop(t.Context(), func(*loop) {}); err != nil {
			t.Fatal(err)
		}
	}
	w.wantReply("+OK\r\n", "MSET", "a", "1", "b", "2", "c", "3")
	for _, words := range [][]string{{"DUMP", "a"}, {"RESTORE", "x", "0", "y"}} {
		w.wantReply("-ERR DUMP and RESTORE are switched off, see CODIS.CONFIG SET dump-restore yes\r\n", words...)
	}
	set("dump-restore", "yes", "flush-commands", "no")
	if got := w.do("DUMP", "a"); got[0] != '$' {
		t.Errorf("DUMP: got %q", got)
	}
	for _, words := range [][]string{{"FLUSHALL"}, {"FLUSHDB"}, {"FLUSHALL", "ASYNC"}, {"FLUSHDB", "SYNC"}} {
		w.wantReply("-ERR FLUSHDB and FLUSHALL are switched off, see CODIS.CONFIG SET flush-commands yes\r\n", words...)
	}
	w.wantReply(":3\r\n", "DBSIZE")
	w.wantReply("+OK\r\n", "SELECT", "1")
	w.wantReply("+OK\r\n", "MSET", "a", "1", "b", "2", "c", "3")
	set("flush-commands", "yes")
	w.wantReply("+OK\r\n", "FLUSHDB")
	w.wantReply(":0\r\n", "DBSIZE")
	w.wantReply("+OK\r\n", "SELECT", "0")
	w.wantReply(":3\r\n", "DBSIZE")
	w.wantReply("+OK\r\n", "FLUSHALL")
	w.wantReply(":0\r\n", "DBSIZE")
}

// TestCommandCommand asks for the commands as clients and tools do.
func TestCommandCommand(t *testing.T) {
	resptest.Reference(t)
	t.Parallel()
	p, _ := newPair(t, 1)
	for _, words := range [][]string{
		{"COMMAND", "INFO", "nosuch"},
		{"COMMAND", "GETKEYS", "MSET", "a", "1", "b", "2"},
		{"COMMAND", "GETKEYS", "GET", "a"},
		{"COMMAND", "GETKEYS", "EVAL", "x", "2", "a", "b", "c"},
		{"COMMAND", "GETKEYS", "PING"},
		{"COMMAND", "GETKEYS", "nosuch"},
		{"COMMAND", "GETKEYSANDFLAGS", "LMOVE", "a", "b", "LEFT", "RIGHT"},
		{"COMMAND", "LIST", "FILTERBY", "PATTERN", "nosuch*"},
		{"COMMAND", "NOSUCH"},
		{"COMMAND", "COUNT", "x"},
	} {
		p.same(words...)
	}
	parse := func(words ...string) resp.Reply {
		r, _, err := resp.ParseReply([]byte(p.routed.do(words...)))
		if err != nil || r.Err() != nil {
			t.Fatalf("%q: %v %v", words, err, r.Err())
		}
		return r
	}
	all, count := parse("COMMAND"), parse("COMMAND", "COUNT")
	if int64(len(all.Array)) != count.Int || count.Int < 200 {
		t.Errorf("COMMAND lists %d, COUNT says %d", len(all.Array), count.Int)
	}
	names := slices.DeleteFunc(parse("COMMAND", "LIST").Strings(), func(name string) bool { return strings.Contains(name, "|") })
	if int64(len(names)) != count.Int {
		t.Errorf("COMMAND LIST lists %d, COUNT says %d", len(names), count.Int)
	}
	info := parse("COMMAND", "INFO", "get", "mset")
	if got := info.Array[0].Array[:6]; got[0].Text() != "get" || got[1].Int != 2 || got[3].Int != 1 || got[4].Int != 1 || got[5].Int != 1 {
		t.Errorf("COMMAND INFO get: %v", got)
	}
	if docs := parse("COMMAND", "DOCS", "get"); len(docs.Array) != 2 || docs.Array[0].Text() != "get" {
		t.Errorf("COMMAND DOCS get: %v", docs.Strings())
	}
}
