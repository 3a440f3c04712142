package cli

import (
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestLayout(t *testing.T) {
	rows := func() [][]string {
		return [][]string{
			{"ID", "ADDR", "WHAT"},
			{"1", "redis-master.example.internal:6379", "the server has not answered for three seconds"},
			{"22", "h:1", "élan"},
		}
	}
	for _, tt := range []struct {
		name   string
		screen screen
		want   string
	}{
		{"as wide as may be", screen{}, "" +
			"ID  ADDR                                WHAT\n" +
			"1   redis-master.example.internal:6379  the server has not answered for three seconds\n" +
			"22  h:1                                 élan\n"},
		{"narrow", screen{width: 50}, "" +
			"ID  ADDR                    WHAT\n" +
			"1   redis-master.example.…  the server has not\n" +
			"                            answered for three\n" +
			"                            seconds\n" +
			"22  h:1                     élan\n"},
		{"too narrow", screen{width: 10}, "" +
			"ID  ADDR      WHAT\n" +
			"1   redis-m…  the server has\n" +
			"              not answered for\n" +
			"              three seconds\n" +
			"22  h:1       élan\n"},
		{"colours", screen{colours: true}, "" +
			bold + "ID" + plain + "  " + bold + "ADDR" + plain + "                                " + bold + "WHAT" + plain + "\n" +
			"1   redis-master.example.internal:6379  the server has not answered for three seconds\n" +
			"22  h:1                                 élan\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.screen.layout(rows(), true); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
	if got := (screen{}).layout([][]string{{}, {"a"}}, true); got != "\na\n" {
		t.Errorf("a row without cells: %q", got)
	}
}

func TestNarrow(t *testing.T) {
	table := func() [][]string {
		return [][]string{{"ID", "ADDR", "ZONE", "UP", "HTTP"}, {"n1", "127.0.0.1:19000", "z", "up", "127.0.0.1:39000"}}
	}
	for _, tt := range []struct {
		name  string
		width int
		want  []string
	}{
		{"as wide as may be", 0, table()[0]},
		{"wide enough", 46, table()[0]},
		{"one is left out", 45, []string{"ID", "ADDR", "UP", "HTTP"}},
		{"another one is", 39, []string{"ID", "ADDR", "UP"}},
		{"what is needed stays", 10, []string{"ID", "ADDR", "UP"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := screen{width: tt.width}.narrow(table(), []string{"ZONE", "HTTP"})
			if !slices.Equal(got[0], tt.want) || len(got[1]) != len(tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestPaint(t *testing.T) {
	if got := (screen{colours: true}).layout([][]string{{"STATE", "X"}, {"down", "down there"}}, true); !strings.Contains(got, red+"down"+plain+"   down there\n") {
		t.Errorf("got %q", got)
	}
	if got := (screen{}).paint("down"); got != "down" {
		t.Errorf("got %q without colours", got)
	}
}

func TestScreenOf(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	env := func(pairs ...string) func(string) string {
		return func(name string) string {
			if at := slices.Index(pairs, name); at >= 0 {
				return pairs[at+1]
			}
			return ""
		}
	}
	for _, tt := range []struct {
		name string
		out  any
		env  func(string) string
		want screen
	}{
		{"a buffer", &strings.Builder{}, env(), screen{}},
		{"a device that is no terminal", null, env(), screen{}},
		{"COLUMNS", null, env("COLUMNS", "50"), screen{width: 50}},
		{"no number", null, env("COLUMNS", "wide"), screen{}},
		{"nothing", null, env("COLUMNS", "0"), screen{}},
	} {
		if got := screenOf(tt.out, tt.env); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// FuzzLayout: no cell breaks a line that has room for the narrowest columns, and
// nothing of the last column is lost.
func FuzzLayout(f *testing.F) {
	f.Add("a", "b c d", 40)
	f.Add("ééééééééééééééééééééé", "x  y", 30)
	f.Fuzz(func(t *testing.T, first, last string, width int) {
		if !utf8.ValidString(first) || !utf8.ValidString(last) || strings.ContainsAny(first+last, "\n\r") {
			t.Skip()
		}
		width = narrowest + columnGap + narrowestLast + max(0, min(width, 200))
		text := screen{width: width}.layout([][]string{{first, last}}, false)
		for line := range strings.Lines(text) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > width {
				t.Errorf("a line of %d characters for %d: %q", n, width, line)
			}
		}
		if want := strings.ReplaceAll(last, " ", ""); !strings.HasSuffix(strings.ReplaceAll(strings.ReplaceAll(text, " ", ""), "\n", ""), want) {
			t.Errorf("%q is not all of %q", text, last)
		}
	})
}

func TestPairTexts(t *testing.T) {
	got := pairTexts([]slotMove{{0, 0, 1, 2}, {8, 10, 1, 2}, {12, 12, 1, 3}, {20, 29, 2, 1}})
	if want := []string{"0, 8-10:1>2", "12:1>3", "20-29:2>1"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
