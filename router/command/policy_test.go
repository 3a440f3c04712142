package command

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata/table.golden")

// TestTable pins what was decided on every command.
func TestTable(t *testing.T) {
	var out strings.Builder
	forEach(func(c *Command) {
		fmt.Fprintf(&out, "%-28s %9s %-5s %-16s family=%-13s arity=%-3d key=%d range=%d,%d,%d", c.Name,
			c.Policy, c.Join, c.Local, c.Family, c.Arity, c.Key, c.First, c.Last, c.Step)
		for _, own := range []struct {
			flag Flags
			name string
		}{{FlagWrite, "write"}, {FlagReadonly, "readonly"}, {FlagNoMandatoryKeys, "no_mandatory_keys"},
			{FlagDumpRestore, "DUMP"}, {FlagFlush, "FLUSH"}, {FlagCheck, "CHECK"}} {
			if c.Flags.Has(own.flag) {
				out.WriteString(" " + own.name)
			}
		}
		if c.Text != "" {
			out.WriteString(" | " + c.Text)
		}
		out.WriteByte('\n')
	})
	const path = "testdata/table.golden"
	if *update {
		if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, lines := strings.Split(out.String(), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(got), len(lines)) {
		if got[i] != lines[i] {
			t.Fatalf("line %d:\n got %s\nwant %s\n(after a look at every change: go test -run TestTable -update)", i+1, got[i], lines[i])
		}
	}
	if len(got) != len(lines) {
		t.Fatalf("%d lines, want %d", len(got), len(lines))
	}
}

// TestEveryDecisionIsUsed: a name that no server has would be a typing error,
// and the command that was meant would go undecided.
func TestEveryDecisionIsUsed(t *testing.T) {
	names := make(map[string]bool)
	forEach(func(c *Command) { names[c.Name] = true })
	for name := range decisions {
		if !names[name] {
			t.Errorf("%s is decided on, and not in the table", name)
		}
	}
	for name := range extractors {
		if !names[name] {
			t.Errorf("%s has an extractor, and is not in the table", name)
		}
	}
}

// TestNothingIsUndecided: a command without keys has a decision, one way or
// the other; "no decision" is the refusal that names only the command.
func TestNothingIsUndecided(t *testing.T) {
	forEach(func(c *Command) {
		if c.Text == "ERR '"+c.Name+"' is not supported by this proxy" {
			t.Errorf("%s: nobody decided", c.Name)
		}
	})
}

// TestSharedConnectionsStayClean: what would change the state of a connection
// to a server, stop it, or turn it into a stream, must never reach one, for
// many clients share it.
func TestSharedConnectionsStayClean(t *testing.T) {
	harmless := []string{ // routed though in such a category
		"xread", "xreadgroup", // their check refuses BLOCK
		"sort", "sort_ro", "restore", "flushall", "flushdb", // dangerous for the data only
	}
	forEach(func(c *Command) {
		reaches := c.Supported() && c.Policy != PolicyLocal
		if !reaches || slices.Contains(harmless, c.Name) {
			return
		}
		for _, category := range []string{"@connection", "@transaction", "@pubsub", "@blocking", "@dangerous", "@admin"} {
			if hasWord(c.info.acl, category) {
				t.Errorf("%s is in %s, and is sent to servers", c.Name, category)
			}
		}
		if c.Flags&(FlagBlocking|FlagPubSub|FlagAdmin) != 0 {
			t.Errorf("%s has the flags %b, and is sent to servers", c.Name, c.Flags)
		}
	})
}

// TestPoliciesAreWhole: each policy has what the router needs for it.
func TestPoliciesAreWhole(t *testing.T) {
	locals := make(map[Local]string)
	forEach(func(c *Command) {
		if c.Subs != nil && c.Name != "command" {
			return // a container's name alone is never executed
		}
		joined := c.Policy == PolicySplit || c.Policy == PolicyBroadcast
		if joined != (c.Join != JoinNone) {
			t.Errorf("%s: policy %v with join %v", c.Name, c.Policy, c.Join)
		}
		if (c.Policy == PolicyLocal) != (c.Local != LocalNone) {
			t.Errorf("%s: policy %v with local %v", c.Name, c.Policy, c.Local)
		}
		if (c.Policy == PolicyRoute || c.Policy == PolicySplit) != (c.HasKeys() && c.Supported()) {
			t.Errorf("%s: policy %v, has keys: %v", c.Name, c.Policy, c.HasKeys())
		}
		if c.Family == FamilyOther {
			t.Errorf("%s: group %q is no family", c.Name, c.info.group)
		}
		if before := locals[c.Local]; c.Local > LocalCommand && before != "" {
			t.Errorf("%s and %s are both %v", before, c.Name, c.Local)
		}
		locals[c.Local] = c.Name
	})
	for l := LocalHelp; int(l) < numLocals; l++ {
		if locals[l] == "" {
			t.Errorf("no command is local %v", l)
		}
	}
}

func TestNames(t *testing.T) {
	for _, test := range []struct {
		got, want string
	}{
		{PolicyRefuse.String(), "refuse"}, {PolicyLocal.String(), "local"}, {Policy(200).String(), "invalid"},
		{JoinMin.String(), "min"}, {LocalSlotsScan.String(), "slotsscan"}, {FamilyCodis.String(), "codis"},
		{Family(NumFamilies).String(), "invalid"},
	} {
		if test.got != test.want {
			t.Errorf("got %s, want %s", test.got, test.want)
		}
	}
	if len(familyNames) != NumFamilies {
		t.Errorf("%d names of %d families", len(familyNames), NumFamilies)
	}
}
