package cli

import (
	"fmt"
	"io"
	"os"

	ucli "github.com/urfave/cli/v2"
)

// maxImport bounds the text, in bytes: a cluster of a thousand groups has less.
const maxImport = 4 << 20

func importCommand() *ucli.Command {
	return verb{
		name: "import", usage: "build groups, slots and settings from text, on a cluster without groups", args: "FILE|-", min: 1, max: 1, timeout: planTimeout,
		about: "The text is that of codis export, or the configuration of a Codis 3 cluster as codis-admin\n" +
			"--config-dump prints it; its servers are taken over with their keys. All servers are looked\n" +
			"at before anything is changed. Passwords are not in an export: set backend-password before,\n" +
			`or add them to the text ("password" of a group, "backend-password" in the settings).`,
		examples: []string{"codis import cluster.json --dry-run", "codis export --addr old:19000 | codis import - --addr new:19000"},
		flags:    []ucli.Flag{&ucli.BoolFlag{Name: "dry-run", Usage: "only look whether it can be done"}},
		run:      runImport,
	}.command()
}

func runImport(s *session) error {
	text, err := s.readText(s.words[0])
	if err != nil {
		return err
	}
	return s.change(s.onOff([]string{"CODIS.IMPORT", text}, "dry-run", "DRYRUN")...)
}

// readText reads a file, or the standard input for "-".
func (s *session) readText(path string) (string, error) {
	source := s.c.App.Reader
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return "", err
		}
		defer file.Close()
		source = file
	}
	text, err := io.ReadAll(io.LimitReader(source, maxImport+1))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	if len(text) > maxImport {
		return "", fmt.Errorf("%s has more than %d bytes", path, maxImport)
	}
	return string(text), nil
}
