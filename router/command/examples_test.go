package command

import (
	"context"
	"os"
	"strings"
	"testing"

	"codis/router/resp"
	"codis/router/resp/resptest"
)

// example is a line of testdata/examples.txt.
type example struct {
	line    string
	request [][]byte
	keys    []string // as written behind =>
	written bool
}

func readExamples(tb testing.TB) (examples []example) {
	tb.Helper()
	text, err := os.ReadFile("testdata/examples.txt")
	if err != nil {
		tb.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		request, keys, written := strings.Cut(line, "=>")
		examples = append(examples, example{line, arguments(request), strings.Fields(keys), written})
	}
	return examples
}

// arguments splits a request at its spaces; "" stands for an empty argument.
func arguments(request string) (args [][]byte) {
	for word := range strings.FieldsSeq(request) {
		if word == `""` {
			word = ""
		}
		args = append(args, []byte(word))
	}
	return args
}

func resolve(tb testing.TB, args [][]byte) *Command {
	tb.Helper()
	c := Lookup(args[0])
	if c != nil {
		c = c.Resolve(args)
	}
	if c == nil {
		tb.Fatalf("%s: unknown command", args[0])
	}
	return c
}

// TestKeysAsServer compares the keys of every example with those that a real
// server finds, together with what is done with them.
func TestKeysAsServer(t *testing.T) {
	resptest.Reference(t)
	client := resptest.StartRedis(t).Client(t)
	for _, e := range readExamples(t) {
		c := resolve(t, e.request)
		if !c.CheckArity(len(e.request)) {
			t.Errorf("%s: wrong number of arguments", e.line)
			continue
		}
		keys, err := c.AppendKeys(nil, e.request)
		if err != nil {
			t.Errorf("%s: %v", e.line, err)
			continue
		}
		if e.written {
			if got := keyTexts(e.request, keys); strings.Join(got, " ") != strings.Join(e.keys, " ") {
				t.Errorf("%s: keys %q", e.line, got)
			}
			continue
		}
		ask := append([][]byte{[]byte("COMMAND"), []byte("GETKEYSANDFLAGS")}, e.request...)
		want, err := client.DoBytes(context.Background(), ask...)
		if err != nil {
			t.Errorf("%s: the server: %v", e.line, err)
			continue
		}
		got := mustParse(t, AppendCommandReply(nil, ask))
		if show(got) != show(want) {
			t.Errorf("%s:\n got %s\nwant %s", e.line, show(got), show(want))
		}
	}
}

// TestEveryKeyedCommandHasExample keeps the comparison above complete.
func TestEveryKeyedCommandHasExample(t *testing.T) {
	seen := make(map[*Command]bool)
	for _, e := range readExamples(t) {
		seen[resolve(t, e.request)] = true
	}
	forEach(func(c *Command) {
		if c.HasKeys() && !seen[c] {
			t.Errorf("%s has no line in testdata/examples.txt", c.Name)
		}
	})
}

// forEach calls see with every row of the table.
func forEach(see func(c *Command)) {
	for _, c := range all {
		see(c)
		for _, sub := range c.Subs {
			see(sub)
		}
	}
}

func keyTexts(request [][]byte, keys []int) []string {
	texts := make([]string, len(keys))
	for i, key := range keys {
		texts[i] = string(request[key])
	}
	return texts
}

func mustParse(tb testing.TB, reply []byte) resp.Reply {
	tb.Helper()
	r, n, err := resp.ParseReply(reply)
	if err != nil || n != len(reply) {
		tb.Fatalf("reply %.200q: %d of %d bytes are a reply: %v", reply, n, len(reply), err)
	}
	return r
}

// show writes a reply with the kinds of all its parts.
func show(r resp.Reply) string {
	if r.Kind != resp.KindArray {
		return r.Kind.String() + ":" + r.Text()
	}
	parts := make([]string, len(r.Array))
	for i, part := range r.Array {
		parts[i] = show(part)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}
