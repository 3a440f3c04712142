package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"codis/router/resp/resptest"
)

var updateGolden = flag.Bool("update", false, "rewrite the recorded output of testdata/golden")

// TestGoldenCLI runs the command lines of testdata/golden/cli against a real node,
// with the real binary, and compares what they print: "! " marks the standard error,
// exit the code where it is not 0. Words in front of codis are its environment.
func TestGoldenCLI(t *testing.T) {
	server := resptest.StartRedis(t)
	c := newCluster(t, 1, []string{server.Addr})
	hide := strings.NewReplacer(c.addr(0), "127.0.0.1:NODE1", server.Addr, "127.0.0.1:SERV1")
	files, err := filepath.Glob("testdata/golden/cli/*.txt")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for line := range strings.Lines(string(want)) {
				if words, isCommand := strings.CutPrefix(line, "$ "); isCommand {
					fmt.Fprintf(&got, "%s%s", line, hide.Replace(runGolden(t, c.addr(0), strings.Fields(words))))
				}
			}
			if *updateGolden {
				if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got.String() != string(want) {
				t.Errorf("%s: the output has changed (-update records it):\n%s", file, got.String())
			}
		})
	}
}

// runGolden runs one command line and returns what is recorded of it.
func runGolden(t *testing.T, addr string, words []string) string {
	t.Helper()
	at := 0
	for words[at] != "codis" {
		at++
	}
	cmd := exec.CommandContext(within(t, patience), binary(t), words[at+1:]...)
	cmd.Env = append([]string{"CODIS_ADDR=" + addr, "PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, words[:at]...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var text strings.Builder
	for line := range strings.Lines(out.String()) {
		fmt.Fprintf(&text, "  %s\n", strings.TrimRight(line, " \n"))
	}
	for line := range strings.Lines(errs.String()) {
		fmt.Fprintf(&text, "! %s\n", strings.TrimRight(line, "\n"))
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		fmt.Fprintf(&text, "exit %d\n", exit.ExitCode())
	} else if err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// TestNodesSayWhoIsUp: what changes from second to second is not recorded.
func TestNodesSayWhoIsUp(t *testing.T) {
	c := newCluster(t, 1, []string{resptest.StartRedis(t).Addr})
	up := regexp.MustCompile(`(?m)^ID +ROLE +UP +READY .*OPS/S +P99 +CLIENTS .*\nn1 +leader +up +ready `)
	waitFor(t, "n1 to be up and ready", func() error {
		if code, out := runBinary(t, "nodes", "--addr", c.addr(0)); code != 0 || !up.MatchString(out) {
			return fmt.Errorf("exit %d\n%s", code, out)
		}
		return nil
	})
}

// TestCompletionInShells has the shells that are there complete a command line.
func TestCompletionInShells(t *testing.T) {
	t.Parallel()
	path := binary(t)
	for shell, script := range map[string]string{
		"bash": `source <("$1" completion bash); PATH="$(dirname "$1"):$PATH"
			ask() { COMP_LINE="$1" COMP_POINT=${#1}; COMPREPLY=(); _codis; echo "$1>${COMPREPLY[*]}"; }`,
		"fish": `$argv[1] completion fish | source; set PATH (dirname $argv[1]) $PATH
			function ask; echo $argv[1]">"(string join -- ' ' (complete -C $argv[1] | string replace -r '\t.*' '')); end`,
	} {
		t.Run(shell, func(t *testing.T) {
			at, err := exec.LookPath(shell)
			if err != nil {
				t.Skipf("%s is not here", shell)
			}
			args := []string{"-c", script + "\nask 'codis group at'\nask 'codis job 4 re'\nask 'codis nodes --js'\n"}
			if shell == "bash" {
				args = append([]string{"--norc"}, append(args, shell, path)...)
			} else {
				args = append([]string{"--no-config"}, append(args, path)...)
			}
			cmd := exec.CommandContext(within(t, patience), at, args...)
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TERM=dumb"}
			out, err := cmd.CombinedOutput()
			if want := "codis group at>attach\ncodis job 4 re>resume\ncodis nodes --js>--json\n"; err != nil || string(out) != want {
				t.Errorf("%v: got %q, want %q", err, out, want)
			}
		})
	}
	if zsh, err := exec.LookPath("zsh"); err == nil {
		// Its completion needs a terminal to run in; what the script says is checked at least.
		script := filepath.Join(t.TempDir(), "codis.zsh")
		code, text := runBinary(t, "completion", "zsh")
		if err := os.WriteFile(script, []byte(text), 0o600); err != nil || code != 0 {
			t.Fatal(code, err)
		}
		if out, err := exec.CommandContext(within(t, patience), zsh, "-n", script).CombinedOutput(); err != nil {
			t.Errorf("zsh -n: %v %s", err, out)
		}
	}
}
