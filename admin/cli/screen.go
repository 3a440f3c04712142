package cli

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// screen is where output goes.
type screen struct {
	// terminal says that what is written can be overwritten, colours that it may have
	// some: there is a terminal, and neither NO_COLOR nor TERM=dumb speak against it.
	terminal, colours bool
	// width is in characters; 0: as wide as may be.
	width int
}

// usualWidth is that of a terminal that does not tell.
const usualWidth = 80

// screenOf looks at where output goes. COLUMNS counts before what a terminal says,
// and also where there is none.
func screenOf(out any, getenv func(string) string) screen {
	var s screen
	if f, ok := out.(*os.File); ok {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil {
			s.terminal, s.width = true, int(size.Col)
			if s.width == 0 {
				s.width = usualWidth
			}
		}
	}
	if n, err := strconv.Atoi(getenv("COLUMNS")); err == nil && n > 0 {
		s.width = n
	}
	s.colours = s.terminal && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
	return s
}

// Colours, as terminals have had them for long.
const (
	bold   = "\x1b[1m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	plain  = "\x1b[0m"
)

// wordColours are the words that have a colour, when they fill a cell. The word says
// it all: the colour only helps the eye.
var wordColours = map[string]string{
	"up": green, "ok": green, "ready": green, "done": green, "leader": green,
	"suspect": yellow, "loading": yellow, "syncing": yellow, "busy": yellow, "warn": yellow, "warning": yellow, "holding": yellow,
	"migrating": yellow, "paused": yellow, "cancelling": yellow, "degraded": yellow, "not ready": yellow, "unassigned": yellow,
	"down": red, "denied": red, "fail": red, "failed": red, "alarm": red,
}

// paint colours a word.
func (s screen) paint(word string) string {
	if colour := wordColours[word]; s.colours && colour != "" {
		return colour + word + plain
	}
	return word
}
