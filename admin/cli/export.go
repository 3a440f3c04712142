package cli

import (
	"encoding/json"
	"io"

	ucli "github.com/urfave/cli/v2"
)

func exportCommand() *ucli.Command {
	return verb{
		name: "export", usage: "print groups, slots, settings and nodes as JSON", max: 0,
		about:    "Passwords are left out; the list secrets_left_out says which. The order is stable, so that\ntwo exports can be compared.",
		examples: []string{"codis export > cluster.json"},
		run:      runExport,
	}.command()
}

func runExport(s *session) error {
	reply, err := s.read("CODIS.EXPORT")
	if err != nil {
		return err
	}
	if !json.Valid(reply.Str) {
		return errReply("no JSON")
	}
	_, err = io.WriteString(s.out, reply.Text())
	return err
}
