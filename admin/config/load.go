package config

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Sources is where values come from; the first source that has a value counts:
// flag, environment, file, default.
type Sources struct {
	// Flag returns the value of a flag and whether it was given.
	Flag func(name string) (string, bool)
	// Getenv is os.LookupEnv.
	Getenv func(name string) (string, bool)
}

// FileFlag is the flag that names the config file.
const FileFlag = "config"

// Load reads all sources. The result is not complete yet: see Complete.
func Load(s Sources) (Config, error) {
	c := DefaultConfig()
	table := fields()
	path, given := s.Flag(FileFlag)
	if !given {
		path, _ = s.Getenv("CODIS_CONFIG")
	}
	if path != "" {
		if err := c.loadFile(path, table); err != nil {
			return Config{}, err
		}
	}
	for _, f := range table {
		source := "--" + f.name
		value, ok := s.Flag(f.name)
		if !ok {
			// An empty variable counts as unset: that is how a shell or a manifest
			// clears one.
			source = f.env()
			value, _ = s.Getenv(source)
			ok = value != ""
		}
		if !ok {
			continue
		}
		if err := f.set(&c, value); err != nil {
			return Config{}, fmt.Errorf("%w: %s: %w", ErrInvalid, source, err)
		}
	}
	return c, nil
}

func (c *Config) loadFile(path string, table []field) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("--%s: %w", FileFlag, err)
	}
	lines, err := parseFile(string(text))
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrInvalid, path, err)
	}
	for _, l := range lines {
		i := slices.IndexFunc(table, func(f field) bool { return f.name == l.name })
		if i < 0 {
			return fmt.Errorf("%w: %s: line %d: no such setting %q; the names are those of the flags of codis start, without dashes",
				ErrInvalid, path, l.number, l.name)
		}
		if err := table[i].set(c, l.value); err != nil {
			return fmt.Errorf("%w: %s: line %d: %s: %w", ErrInvalid, path, l.number, l.name, err)
		}
	}
	return nil
}

// line is one setting of a config file.
type line struct {
	number      int
	name, value string
}

// parseFile reads the format of redis.conf as far as it makes sense here: one
// "name value" a line; a line that begins with # is a comment; the value may
// stand in double quotes, which keep spaces. A name may stand only once.
func parseFile(text string) ([]line, error) {
	var lines []line
	seen := map[string]int{}
	number := 0
	for raw := range strings.Lines(text) {
		number++
		raw = strings.TrimSpace(raw)
		if raw == "" || raw[0] == '#' {
			continue
		}
		name, value := raw, ""
		if i := strings.IndexAny(raw, " \t"); i > 0 {
			name, value = raw[:i], strings.TrimSpace(raw[i:])
		}
		if strings.HasPrefix(value, `"`) {
			end := strings.IndexByte(value[1:], '"')
			if end < 0 || end+2 != len(value) {
				return nil, fmt.Errorf("line %d: %s: unbalanced quotes", number, name)
			}
			value = value[1 : end+1]
		} else if value == "" {
			return nil, fmt.Errorf("line %d: %s has no value", number, name)
		}
		if first, ok := seen[name]; ok {
			return nil, fmt.Errorf("line %d: %s stands already in line %d", number, name, first)
		}
		seen[name] = number
		lines = append(lines, line{number: number, name: name, value: value})
	}
	return lines, nil
}
