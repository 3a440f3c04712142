package config

import (
	"os"
	"strconv"

	"github.com/urfave/cli/v2"
)

// Flags returns the flags of the table and --config.
func Flags() []cli.Flag {
	flags := []cli.Flag{&cli.StringFlag{Name: FileFlag, Usage: "file with lines \"name value\", the names being those of the flags [$CODIS_CONFIG]"}}
	for _, f := range fields() {
		// The variable is shown but not read by cli: Load reads it, and so can say
		// in an error where a value came from.
		usage := f.usage + " [$" + f.env() + "]"
		if f.boolean {
			flags = append(flags, &cli.BoolFlag{Name: f.name, Usage: usage, DefaultText: f.fallback})
			continue
		}
		flags = append(flags, &cli.StringFlag{Name: f.name, Usage: usage, DefaultText: f.fallback})
	}
	return flags
}

// FromCLI loads and completes the Config of a command whose flags are Flags.
func FromCLI(c *cli.Context) (Config, error) {
	boolean := map[string]bool{}
	for _, f := range fields() {
		boolean[f.name] = f.boolean
	}
	cfg, err := Load(Sources{
		Flag: func(name string) (string, bool) {
			if !c.IsSet(name) {
				return "", false
			}
			if boolean[name] {
				return strconv.FormatBool(c.Bool(name)), true
			}
			return c.String(name), true
		},
		Getenv: os.LookupEnv,
	})
	if err != nil {
		return Config{}, err
	}
	return cfg.Complete()
}
