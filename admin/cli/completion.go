package cli

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"codis/raftstore/topology"
)

// The scripts ask the program itself what may come next, so that they never grow old.
var (
	//go:embed completion/codis.bash
	bashScript string
	//go:embed completion/codis.zsh
	zshScript string
	//go:embed completion/codis.fish
	fishScript string
)

var shells = []string{"bash", "zsh", "fish"}

// completionCommand prints the script that makes a shell complete codis's words.
func completionCommand() *ucli.Command {
	return &ucli.Command{
		Name: "completion", Usage: "print a script that makes a shell complete the words of codis", ArgsUsage: "bash | zsh | fish",
		Description: "Examples:\n" +
			"  bash:  source <(codis completion bash)          in ~/.bashrc\n" +
			"  zsh:   source <(codis completion zsh)           in ~/.zshrc, behind compinit\n" +
			"  fish:  codis completion fish | source           in ~/.config/fish/config.fish",
		HideHelpCommand: true, OnUsageError: OnUsageError,
		Action: func(c *ucli.Context) error {
			if c.Args().Len() != 1 || !slices.Contains(shells, c.Args().First()) {
				return explain(c, usagef("expected bash, zsh or fish"))
			}
			script := map[string]string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}[c.Args().First()]
			_, err := fmt.Fprint(c.App.Writer, script)
			return err
		},
	}
}

// completeCommand is what the scripts run: it takes the words of a command line, the
// last one being at hand, and prints what that may become, each with a text behind a
// tab. It asks no node.
func completeCommand() *ucli.Command {
	return &ucli.Command{
		Name: "__complete", Hidden: true, SkipFlagParsing: true, HideHelpCommand: true,
		Action: func(c *ucli.Context) error {
			for _, w := range complete(c.App.Commands, c.Args().Slice()) {
				if _, err := fmt.Fprintf(c.App.Writer, "%s\t%s\n", w.word, w.about); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// candidate is a word that may come next.
type candidate struct{ word, about string }

// complete returns what the last of words may become.
func complete(commands []*ucli.Command, words []string) []candidate {
	if len(words) == 0 {
		return nil
	}
	before, last := words[:len(words)-1], words[len(words)-1]
	at := place{commands: commands}
	for i := 0; i < len(before); i++ {
		i += at.take(before[i])
		if i >= len(before) {
			return nil // the value of a flag
		}
	}
	return slices.DeleteFunc(at.next(last), func(c candidate) bool { return !strings.HasPrefix(c.word, last) })
}

// place is where a command line has got to.
type place struct {
	// commands are those that may come next, command the one that was named last.
	commands []*ucli.Command
	command  *ucli.Command
	name     []string
	// words counts those behind the command's name.
	words int
}

// take goes past a word, and returns how many more belong to it.
func (p *place) take(word string) int {
	if isFlag(word) {
		if f := p.flag(word); f != nil && !strings.Contains(word, "=") {
			if _, isBool := f.(*ucli.BoolFlag); !isBool {
				return 1
			}
		}
		return 0
	}
	at := slices.IndexFunc(p.commands, func(c *ucli.Command) bool { return c.HasName(word) })
	if at < 0 {
		p.words++
		p.commands = nil
		return 0
	}
	p.command, p.name = p.commands[at], append(p.name, word)
	p.commands = p.command.Subcommands
	return 0
}

func (p *place) flag(word string) ucli.Flag {
	if p.command == nil {
		return nil
	}
	name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
	at := slices.IndexFunc(p.command.Flags, func(f ucli.Flag) bool { return slices.Contains(f.Names(), name) })
	if at < 0 {
		return nil
	}
	return p.command.Flags[at]
}

// next lists what may stand at this place: flags when the word begins as one does.
func (p *place) next(word string) (list []candidate) {
	if strings.HasPrefix(word, "-") {
		if p.command == nil {
			return []candidate{{"--help", "show help"}}
		}
		for _, f := range p.command.Flags {
			about := ""
			if doc, ok := f.(ucli.DocGenerationFlag); ok {
				about, _, _ = strings.Cut(doc.GetUsage(), ";")
			}
			list = append(list, candidate{"--" + f.Names()[0], strings.ReplaceAll(about, "`", "")})
		}
		return append(list, candidate{"--help", "show help"})
	}
	for _, c := range p.commands {
		if !c.Hidden {
			list = append(list, candidate{c.Name, c.Usage})
		}
	}
	if choices := choicesOf[strings.Join(p.name, " ")]; choices != nil {
		list = append(list, choices(p.words)...)
	}
	return list
}

// choicesOf are the words that the grammar of a verb lists, by their place.
var choicesOf = map[string]func(place int) []candidate{
	"assign":     atPlace(0, "auto"),
	"job":        atPlace(1, "pause", "resume", "cancel", "force", "limit", "wait"),
	"completion": atPlace(0, shells...),
	"config get": settingNames,
	"config set": settingNames,
}

func atPlace(want int, words ...string) func(int) []candidate {
	return func(place int) (list []candidate) {
		for _, w := range words {
			if place == want {
				list = append(list, candidate{word: w})
			}
		}
		return list
	}
}

// settingNames completes the name of a setting, and for config set its value.
func settingNames(place int) (list []candidate) {
	if place > 0 {
		return nil
	}
	for _, d := range topology.Definitions() {
		list = append(list, candidate{d.Name, d.Help})
	}
	return list
}
