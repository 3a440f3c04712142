package command

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"codis/router/resp"
	"codis/router/resp/resptest"
)

// reply is the decoded answer to COMMAND with further arguments.
func reply(tb testing.TB, args ...string) resp.Reply {
	tb.Helper()
	request := [][]byte{[]byte("COMMAND")}
	for _, arg := range args {
		request = append(request, []byte(arg))
	}
	return mustParse(tb, AppendCommandReply(nil, request))
}

func ask(tb testing.TB, client *resp.Client, args ...string) resp.Reply {
	tb.Helper()
	r, err := client.Do(context.Background(), append([]string{"COMMAND"}, args...)...)
	if refusal := (*resp.ServerError)(nil); errors.As(err, &refusal) {
		return resp.Reply{Kind: resp.KindError, Str: []byte(refusal.Text)}
	} else if err != nil {
		tb.Fatal(err)
	}
	return r
}

// TestCommandInfoAsServer compares each element of COMMAND's reply with a
// real server's, less the sub-commands that the proxy does not support.
func TestCommandInfoAsServer(t *testing.T) {
	resptest.Reference(t)
	want := make(map[string]resp.Reply)
	for _, element := range ask(t, resptest.StartRedis(t).Client(t)).Array {
		name := element.Array[0].Text()
		element.Array[9] = supportedOnly(element.Array[9], 1)
		want[name] = element
	}
	compared := 0
	for _, element := range reply(t).Array {
		name := element.Array[0].Text()
		one := reply(t, "INFO", strings.ToUpper(name))
		if got := show(one); got != "["+show(element)+"]" {
			t.Errorf("COMMAND INFO %s is not what COMMAND says: %s", name, got)
		}
		server, known := want[name]
		if !known {
			continue
		}
		// Sub-commands of newer servers.
		element.Array[9] = knownOnly(element.Array[9], server.Array[9])
		if show(element) != show(server) {
			t.Errorf("%s:\n got %s\nwant %s", name, show(element), show(server))
		}
		compared++
	}
	if compared < 170 {
		t.Errorf("only %d commands were compared", compared)
	}
}

// TestCommandDocsAsServer does the same for COMMAND DOCS, less the fields that
// are left out.
func TestCommandDocsAsServer(t *testing.T) {
	resptest.Reference(t)
	want := make(map[string]resp.Reply)
	server := ask(t, resptest.StartRedis(t).Client(t), "DOCS")
	for i := 0; i < len(server.Array); i += 2 {
		want[server.Array[i].Text()] = shortDoc(server.Array[i+1])
	}
	got := reply(t, "DOCS")
	for i := 0; i < len(got.Array); i += 2 {
		name := got.Array[i].Text()
		if doc, known := want[name]; known && name != "client" && show(got.Array[i+1]) != show(doc) {
			t.Errorf("%s:\n got %s\nwant %s", name, show(got.Array[i+1]), show(doc))
		}
		if one := reply(t, "docs", name); show(one) != "["+show(got.Array[i])+", "+show(got.Array[i+1])+"]" {
			t.Errorf("COMMAND DOCS %s: %s", name, show(one))
		}
	}
}

// shortDoc leaves out of a server's description what ours has not.
func shortDoc(doc resp.Reply) resp.Reply {
	short := resp.Reply{Kind: resp.KindArray}
	for i := 0; i < len(doc.Array); i += 2 {
		value := doc.Array[i+1]
		switch doc.Array[i].Text() {
		case "arguments", "history":
			continue
		case "subcommands":
			value = supportedOnly(value, 2)
			for j := 1; j < len(value.Array); j += 2 {
				value.Array[j] = shortDoc(value.Array[j])
			}
			if len(value.Array) == 0 {
				continue
			}
		}
		short.Array = append(short.Array, doc.Array[i], value)
	}
	return short
}

// supportedOnly returns the sub-commands that the proxy supports, sorted.
// Each takes width elements, and the first has its name or begins with it.
func supportedOnly(subs resp.Reply, width int) resp.Reply {
	var kept [][]resp.Reply
	for sub := range slices.Chunk(subs.Array, width) {
		if find([]byte(nameOfReply(sub[0]))) != nil {
			kept = append(kept, sub)
		}
	}
	slices.SortFunc(kept, func(a, b []resp.Reply) int {
		return strings.Compare(nameOfReply(a[0]), nameOfReply(b[0]))
	})
	return resp.Reply{Kind: resp.KindArray, Array: slices.Concat(kept...)}
}

// knownOnly returns the elements of subs that have the name of one in known.
func knownOnly(subs, known resp.Reply) resp.Reply {
	return resp.Reply{Kind: resp.KindArray, Array: slices.DeleteFunc(subs.Array, func(sub resp.Reply) bool {
		return !slices.ContainsFunc(known.Array, func(k resp.Reply) bool { return nameOfReply(k) == nameOfReply(sub) })
	})}
}

func nameOfReply(r resp.Reply) string {
	if r.Kind == resp.KindArray {
		return r.Array[0].Text()
	}
	return r.Text()
}

// TestCommandRepliesAsServer compares what needs no filter: errors, and
// answers about single commands.
func TestCommandRepliesAsServer(t *testing.T) {
	resptest.Reference(t)
	client := resptest.StartRedis(t).Client(t)
	for _, line := range []string{
		"FOO", "COUNT x", "LIST x", "LIST FILTERBY", "LIST FILTERBY PATTERN", "LIST FILTERBY PATTERN a b",
		"LIST FILTERBY FOO x", "LIST FILTERBY MODULE x", "LIST FILTERBY ACLCAT @geo", "LIST FILTERBY ACLCAT nosuch",
		"LIST FILTERBY PATTERN GEOA*", "LIST FILTERBY PATTERN [g-g]e[^o-z]", "LIST FILTERBY PATTERN \\get",
		"LIST FILTERBY PATTERN CONFIG|?ET* x", "LIST FILTERBY PATTERN *|encoding", "LIST FILTERBY PATTERN zrangebys*e",
		"INFO get nosuch GET", "INFO nosuch", "INFO object|encoding OBJECT|NOSUCH get|x |", "INFO config|get|x",
		"DOCS nosuch", "DOCS nosuch nosuch",
		"GETKEYS", "GETKEYS nosuch", "GETKEYS get", "GETKEYS get a b", "GETKEYS ping", "GETKEYS ping x", "GETKEYS object nosuch k",
		"GETKEYS memory", "GETKEYS memory usage", "GETKEYS spublish a b", "GETKEYS eval a x", "GETKEYS eval a 5 b",
		"GETKEYS zunion 5 a", "GETKEYS zunion x a", "GETKEYS xread a b c d", "GETKEYS migrate h 1 k 0 10 KEYS a",
		"GETKEYS migrate h 1  0 10 KEYS", "GETKEYSANDFLAGS", "GETKEYSANDFLAGS get", "GETKEYSANDFLAGS ping",
		"GETKEYSANDFLAGS bitop and d a b",
	} {
		args := strings.Split(line, " ")
		if got, want := show(reply(t, args...)), show(ask(t, client, args...)); got != want {
			t.Errorf("COMMAND %s:\n got %s\nwant %s", line, got, want)
		}
	}
}

// TestCommandListsWhatIsSupported: LIST and COUNT agree with the table, and
// with a server's categories.
func TestCommandListsWhatIsSupported(t *testing.T) {
	client := resptest.StartRedis(t).Client(t)
	var want []string
	top := int64(0)
	for _, c := range all {
		if !c.Supported() {
			continue
		}
		want = append(want, c.Name)
		top++
		for _, sub := range c.Subs {
			if sub.Supported() {
				want = append(want, sub.Name)
			}
		}
	}
	if got := reply(t, "LIST").Strings(); !slices.Equal(got, want) {
		t.Errorf("LIST: %q, want %q", got, want)
	}
	if got := reply(t, "COUNT").Int; got != top || int64(len(reply(t).Array)) != top {
		t.Errorf("COUNT: %d, COMMAND: %d elements, want %d", got, len(reply(t).Array), top)
	}
	for _, name := range []string{"subscribe", "multi", "blpop", "scan", "shutdown", "acl", "config|set"} {
		if slices.Contains(want, name) {
			t.Errorf("%s is listed, and not supported", name)
		}
	}
	known := ask(t, client, "LIST").Strings()
	for _, category := range []string{"write", "geo", "DANGEROUS", "fast", "connection"} {
		server := ask(t, client, "LIST", "FILTERBY", "ACLCAT", category).Strings()
		server = slices.DeleteFunc(server, func(name string) bool { return find([]byte(name)) == nil })
		slices.Sort(server)
		ours := reply(t, "LIST", "FILTERBY", "ACLCAT", category).Strings()
		ours = slices.DeleteFunc(ours, func(name string) bool { return !slices.Contains(known, name) })
		slices.Sort(ours)
		if !slices.Equal(ours, server) {
			t.Errorf("category %s: %q, want %q", category, ours, server)
		}
	}
}

func TestHelp(t *testing.T) {
	forEach(func(c *Command) {
		if c.Local != LocalHelp && c.Name != "command|help" {
			return
		}
		lines := mustParse(t, AppendHelp(nil, c)).Strings()
		if n := len(lines); !strings.HasPrefix(lines[0], strings.ToUpper(container(c.Name))+" <subcommand>") || lines[n-2] != "HELP" {
			t.Errorf("%s: %q", c.Name, lines)
		}
	})
	config := reply(t, "HELP").Strings()
	if !slices.Contains(config, "GETKEYS") {
		t.Errorf("COMMAND HELP: %q", config)
	}
	help := mustParse(t, AppendHelp(nil, Lookup([]byte("config")).Resolve(arguments("config help")))).Strings()
	if slices.Contains(help, "SET") || !slices.Contains(help, "GET") {
		t.Errorf("CONFIG HELP: %q", help)
	}
}
