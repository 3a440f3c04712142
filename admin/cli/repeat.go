package cli

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	ucli "github.com/urfave/cli/v2"
)

// watchFlags are those of verbs that can be repeated.
func watchFlags() []ucli.Flag {
	return []ucli.Flag{
		&ucli.BoolFlag{Name: "watch", Usage: "show it again and again; where there is no terminal, whenever it has changed"},
		&ucli.DurationFlag{Name: "interval", Value: time.Second, Usage: "how often --watch looks"},
	}
}

// repeat runs a verb until it is interrupted. A terminal shows the last look; else
// each one that differs from the one before is printed below it, with --json as a
// line of its own. A look that fails is told, and tried again: the node may be back.
func (s *session) repeat(look func(*session) error) error {
	interval := s.c.Duration("interval")
	if interval <= 0 {
		return usagef("--interval must be above 0")
	}
	out, last := s.out, ""
	defer func() { s.out = out }()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for first := true; ; first = false {
		var text bytes.Buffer
		s.out = &text
		err := look(s)
		switch {
		case s.interrupted():
			return nil
		case err != nil && first:
			return err // most likely a mistake, not an accident
		case err != nil:
			s.close()
			s.client = nil
			fmt.Fprintf(&text, "%s\n", oneLine{err})
		}
		if _, err := fmt.Fprint(out, s.frame(text.String(), last)); err != nil {
			return err
		}
		last = text.String()
		select {
		case <-tick.C:
		case <-s.c.Context.Done():
			return nil
		}
	}
}

// frame is what to print of a look that follows another one.
func (s *session) frame(text, last string) string {
	switch {
	case s.screen.terminal && !s.json:
		// Line by line, so that nothing flickers.
		return "\x1b[H" + strings.ReplaceAll(text, "\n", "\x1b[K\n") + "\x1b[J"
	case text == last:
		return ""
	case last != "" && !s.json:
		return "\n" + text
	}
	return text
}
