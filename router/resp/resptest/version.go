package resptest

import (
	"fmt"
	"os/exec"
	"sync"
	"testing"
)

// Version is what a redis-server says of itself.
type Version struct {
	// Product is Redis, Valkey or another word of that place.
	Product      string
	Major, Minor int
}

// AtLeast says whether a server has what Redis has since major.minor. Valkey parted
// at 7.2, and its own versions go on from there.
func (v Version) AtLeast(major, minor int) bool {
	return v.Major > major || v.Major == major && v.Minor >= minor
}

func (v Version) String() string { return fmt.Sprintf("%s %d.%d", v.Product, v.Major, v.Minor) }

// askVersion asks the redis-server of the PATH once a test binary.
var askVersion = sync.OnceValues(func() (v Version, err error) {
	text, err := exec.Command("redis-server", "--version").Output()
	if err != nil {
		return v, fmt.Errorf("redis-server --version: %w", err)
	}
	if _, err = fmt.Sscanf(string(text), "%s server v=%d.%d", &v.Product, &v.Major, &v.Minor); err != nil {
		return v, fmt.Errorf("redis-server --version says %q: %w", text, err)
	}
	return v, nil
})

// ServerVersion is the version of the servers that StartRedis starts.
func ServerVersion(tb testing.TB) Version {
	tb.Helper()
	v, err := askVersion()
	if err != nil {
		tb.Fatalf("%v; `make deps` installs a redis-server", err)
	}
	return v
}

// Needs skips a test that uses what servers have since major.minor only.
func Needs(tb testing.TB, major, minor int) {
	tb.Helper()
	if v := ServerVersion(tb); !v.AtLeast(major, minor) {
		tb.Skipf("needs Redis %d.%d, the redis-server of the PATH is %s", major, minor, v)
	}
}

// Reference skips a test that holds this project to the very words of a server,
// error texts and the replies of COMMAND, with any other server than Redis 7.0,
// which the command table was made from.
func Reference(tb testing.TB) {
	tb.Helper()
	if v := ServerVersion(tb); v != (Version{Product: "Redis", Major: 7, Minor: 0}) {
		tb.Skipf("compares with the texts of Redis 7.0, the redis-server of the PATH is %s", v)
	}
}

// olderNames has options that servers before 7.0 do not know, with what they have
// instead: "" for what they need not be told.
var olderNames = map[string]string{
	"--enable-debug-command": "",
	"--busy-reply-threshold": "--lua-time-limit",
}

// known returns a command line that a server of this version takes.
func (v Version) known(args []string) []string {
	if v.AtLeast(7, 0) {
		return args
	}
	var list []string
	for i := 0; i < len(args); i++ {
		older, renamed := olderNames[args[i]]
		switch {
		case !renamed:
			list = append(list, args[i])
		case older == "":
			i++ // its value
		default:
			list = append(list, older)
		}
	}
	return list
}
