// Command gen writes the generated part of the command table. It reads the
// replies of COMMAND and COMMAND DOCS that are kept as they came from a server
// in testdata/, and writes table_gen.go. With --fetch it first asks a server
// for them again: one at --addr, or else a redis-server that it starts itself.
//
//	go run ./gen            from the package's directory; go generate does this
//	go run ./gen --fetch    after a look at what a newer server's table changes
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"codis/router/resp"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("gen: ")
	fetch := flag.Bool("fetch", false, "ask a server again before generating")
	addr := flag.String("addr", "", "with --fetch: the server to ask (default: start a redis-server)")
	dir := flag.String("dir", ".", "the directory of package command")
	flag.Parse()
	if err := run(*dir, source{fetch: *fetch, addr: *addr}); err != nil {
		log.Fatal(err)
	}
}

func run(dir string, src source) error {
	files := replyFiles{
		commands: filepath.Join(dir, "testdata", "command.resp"),
		docs:     filepath.Join(dir, "testdata", "command-docs.resp"),
	}
	if src.fetch {
		if err := src.write(files); err != nil {
			return fmt.Errorf("fetch: %w", err)
		}
	}
	commands, err := readReply(files.commands)
	if err != nil {
		return err
	}
	docs, err := readReply(files.docs)
	if err != nil {
		return err
	}
	text, err := render(commands, docs)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "table_gen.go"), text, 0o644)
}

// replyFiles are the paths of the kept replies.
type replyFiles struct{ commands, docs string }

func readReply(path string) (resp.Reply, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return resp.Reply{}, err
	}
	reply, n, err := resp.ParseReply(raw)
	if err != nil {
		return reply, fmt.Errorf("%s: %w", path, err)
	}
	if n != len(raw) {
		return reply, fmt.Errorf("%s: %d bytes are not one whole reply", path, len(raw))
	}
	return reply, nil
}
