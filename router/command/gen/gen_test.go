package main

import (
	"bytes"
	"os"
	"testing"

	"codis/router/resp/resptest"
)

// TestTableIsGenerated: table_gen.go is what the kept replies give, and was
// not edited.
func TestTableIsGenerated(t *testing.T) {
	commands, err := readReply("../testdata/command.resp")
	if err != nil {
		t.Fatal(err)
	}
	docs, err := readReply("../testdata/command-docs.resp")
	if err != nil {
		t.Fatal(err)
	}
	want, err := render(commands, docs)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../table_gen.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("table_gen.go is not up to date: go generate ./router/command")
	}
}

// TestFetch asks a real server, started for that, as --fetch does.
func TestFetch(t *testing.T) {
	resptest.Reference(t)
	dir := t.TempDir()
	files := replyFiles{commands: dir + "/commands", docs: dir + "/docs"}
	if err := (source{fetch: true}).write(files); err != nil {
		t.Fatal(err)
	}
	commands, err := readReply(files.commands)
	if err != nil {
		t.Fatal(err)
	}
	docs, err := readReply(files.docs)
	if err != nil {
		t.Fatal(err)
	}
	if len(commands.Array) < 200 || len(docs.Array) != 2*len(commands.Array) {
		t.Errorf("%d commands, %d of docs", len(commands.Array), len(docs.Array))
	}
	// A newer server may have flags that have no constant yet; then it says so.
	if _, err := render(commands, docs); err != nil {
		t.Logf("this server's table is newer: %v", err)
	}
}
