package topology

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var updateFormat = flag.Bool("update-format", false, "write the vocabulary of the newest format to testdata")

// formatFile holds the vocabulary of a format; -update-format writes that of the
// newest, to be committed with the last change before a release.
func formatFile(f Format) string {
	return filepath.Join("testdata", "formats", fmt.Sprintf("%d.txt", f))
}

// vocabulary lists what a version can read: each field of each command and of the
// state, and each setting with what it may be. A type that contains itself is cut
// short.
func vocabulary() []string {
	var lines []string
	var walk func(path string, t reflect.Type, depth int)
	walk = func(path string, t reflect.Type, depth int) {
		lines = append(lines, path)
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Array || t.Kind() == reflect.Map {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || depth == 0 {
			return
		}
		for f := range fieldsOf(t) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			walk(path+"."+name, f.Type, depth-1)
		}
	}
	for _, body := range bodies() {
		walk("command "+body.word(), reflect.TypeOf(body), 4)
	}
	walk("state", reflect.TypeFor[State](), 4)
	for _, d := range Definitions() {
		lines = append(lines, fmt.Sprintf("setting %s: %s %s %d %d", d.Name, d.Kind, strings.Join(d.Choices, "|"), d.Min, d.Max))
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// fieldsOf goes through the fields of a struct, those of an embedded one as its own.
func fieldsOf(t reflect.Type) func(yield func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for _, f := range reflect.VisibleFields(t) {
			if f.IsExported() && !f.Anonymous && !yield(f) {
				return
			}
		}
	}
}

// TestFormatVocabulary holds what is new against the vocabulary of each older format:
// a command, or a field that is set, or a setting, which a format does not know,
// has to need a newer one. Nodes of an older version are in the same cluster and stop
// at what they can't read.
func TestFormatVocabulary(t *testing.T) {
	if *updateFormat {
		path := formatFile(StateFormat)
		if err := os.WriteFile(path, []byte(strings.Join(vocabulary(), "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for format := oldestFormat; format < StateFormat; format++ {
		text, err := os.ReadFile(formatFile(format))
		if err != nil {
			t.Fatal(err)
		}
		old := strings.Split(strings.TrimSpace(string(text)), "\n")
		for _, line := range vocabulary() {
			if slices.Contains(old, line) {
				continue
			}
			if why := newWord(line, format); why != "" {
				t.Errorf("%q is not in format %d, %s", line, format, why)
			}
		}
		for _, line := range old {
			if !slices.Contains(vocabulary(), line) {
				t.Errorf("%q of format %d is not known any more: old logs can't be read", line, format)
			}
		}
	}
}

// newWord says what is wrong with a line of the vocabulary that a format does not
// have.
func newWord(line string, format Format) string {
	kind, rest, _ := strings.Cut(line, " ")
	switch kind {
	case "setting":
		name, _, _ := strings.Cut(rest, ":")
		if d, _ := FindSetting(name); d.Since <= format {
			return fmt.Sprintf("so its row must have Since: %d", format+1)
		}
	case "command":
		word, path, _ := strings.Cut(rest, ".")
		for _, body := range bodies() {
			if body.word() != word || word == (FormatRaise{}).word() {
				continue
			}
			if path == "" && (Command{Body: zeroOf(body)}).Needs() <= format {
				return fmt.Sprintf("so its since() must be %d", format+1)
			}
			// Of a field: with it the body needs a newer format, without it, it may not
			// be written at all.
			if path != "" && (Command{Body: body}).Needs() <= format {
				return fmt.Sprintf("so since() must be %d where it is set", format+1)
			}
			zero, err := json.Marshal(zeroOf(body))
			if err != nil {
				return err.Error()
			}
			if strings.Contains(string(zero), `"`+path+`":`) && (Command{Body: zeroOf(body)}).Needs() <= format {
				return "so it must be left out while it is zero (omitempty)"
			}
		}
	}
	return ""
}

func zeroOf(body Body) Body { return reflect.New(reflect.TypeOf(body)).Elem().Interface().(Body) }

// TestOldStateStaysOld: what commands of an older format make of a state of that
// format has no word that it does not know.
func TestOldStateStaysOld(t *testing.T) {
	text, err := os.ReadFile(formatFile(oldestFormat))
	if err != nil {
		t.Fatal(err)
	}
	s := moving(t).clone()
	s.Format = oldestFormat
	s = mustApply(t, s, SettingSet{Name: "timeout", Value: "5s"})
	for _, path := range pathsOf(mustEncode(t, s)) {
		if !strings.Contains("\n"+string(text), "\n"+path+"\n") {
			t.Errorf("a state of format %d has %s", oldestFormat, path)
		}
	}
}

func TestAdmit(t *testing.T) {
	old := initialised(t).clone()
	old.Format = oldestFormat
	for name, c := range map[string]struct {
		state *State
		body  Body
		want  Code
	}{
		"known":               {old, SettingSet{Name: "timeout", Value: "5s"}, CodeOK},
		"newer command":       {old, TurnBegin{Group: 7}, CodeUpgrade},
		"newer setting":       {old, SettingSet{Name: "failover", Value: "no"}, CodeUpgrade},
		"no setting":          {old, SettingSet{Name: "speed", Value: "11"}, CodeBadArg},
		"newer setting, then": {initialised(t), SettingSet{Name: "failover", Value: "no"}, CodeOK},
		"the raise":           {old, FormatRaise{Format: StateFormat}, CodeOK},
		"the raise, twice":    {initialised(t), FormatRaise{Format: StateFormat}, CodeStale},
		"the raise, back":     {initialised(t), FormatRaise{Format: oldestFormat}, CodeStale},
	} {
		next, outcome := Apply(c.state, c.state.Epoch+1, Command{Body: c.body})
		if outcome.Code != c.want {
			t.Errorf("%s: %v, want %q", name, outcome.Err(), c.want)
		}
		if admitted := c.state.Admit(Command{Body: c.body}) == nil; admitted != (c.want != CodeUpgrade) {
			t.Errorf("%s: admitted %v", name, admitted)
		}
		if raise, ok := c.body.(FormatRaise); ok && c.want == CodeOK && next.Format != raise.Format {
			t.Errorf("%s: format %d", name, next.Format)
		}
	}
}

// TestRaiseBeyond: a version stops at the entry that raises the cluster to a format
// which it does not know.
func TestRaiseBeyond(t *testing.T) {
	for _, text := range []string{
		fmt.Sprintf(`{"format":1,"type":"format-raise","request_id":"r","body":{"format":%d}}`, StateFormat+1),
		`{"format":1,"type":"format-raise","request_id":"r","body":{"format":"3"}}`,
	} {
		if _, err := DecodeCommand([]byte(text)); !errors.Is(err, ErrUnknownCommand) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// pathsOf returns the paths of all fields in an encoded state, as vocabulary has them.
func pathsOf(encoded string) []string {
	var whole any
	if err := json.Unmarshal([]byte(encoded), &whole); err != nil {
		panic(err)
	}
	found := map[string]bool{}
	// Maps by ID have keys that are no words: those of the state's own fields that
	// are maps.
	byID := []string{"state.groups", "state.nodes", "state.jobs", "state.settings"}
	var walk func(path string, value any)
	walk = func(path string, value any) {
		found[path] = true
		switch value := value.(type) {
		case []any:
			for _, element := range value {
				walk(path, element)
			}
		case map[string]any:
			for key, element := range value {
				if slices.Contains(byID, path) {
					walk(path, element)
				} else {
					walk(path+"."+key, element)
				}
			}
		}
	}
	walk("state", whole)
	return slices.Sorted(maps.Keys(found))
}
