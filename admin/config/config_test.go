package config

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

func TestComplete(t *testing.T) {
	secretFile := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secretFile, []byte("from file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		in    func(*Config)
		check func(Config) bool
		err   string // what the error must contain; empty means none
	}{
		{"defaults", func(*Config) {}, func(c Config) bool {
			return c.PeerAddr == "127.0.0.1:29000" && c.HTTPAddr == "127.0.0.1:39000" && c.AdvertiseAddr == c.Addr && c.Loops >= 1
		}, ""},
		{"port 0", func(c *Config) { c.Addr = "127.0.0.1:0" }, func(c Config) bool {
			return c.PeerAddr == "127.0.0.1:0" && c.HTTPAddr == "127.0.0.1:0"
		}, ""},
		{"IPv6", func(c *Config) { c.Addr = "[::1]:7000" }, func(c Config) bool { return c.PeerAddr == "[::1]:17000" }, ""},
		{"explicit", func(c *Config) { c.HTTPAddr, c.AdvertiseHTTPAddr = "127.0.0.1:80", "web:80" }, func(c Config) bool {
			return c.HTTPAddr == "127.0.0.1:80" && c.AdvertiseHTTPAddr == "web:80"
		}, ""},
		{"secret file", func(c *Config) { c.SecretFile = secretFile }, func(c Config) bool { return c.Secret == "from file" }, ""},
		{"exposed with a secret", func(c *Config) { c.Addr, c.Secret = "10.1.2.3:19000", "s" }, func(c Config) bool {
			return c.AdvertisePeerAddr == "10.1.2.3:29000"
		}, ""},
		{"exposed without a secret", func(c *Config) { c.Addr = "10.1.2.3:19000" }, nil, `--addr "10.1.2.3:19000": refused without a cluster secret`},
		{"exposed peer port", func(c *Config) { c.PeerAddr = "10.1.2.3:1" }, nil, "--peer-addr"},
		{"exposed HTTP port", func(c *Config) { c.HTTPAddr = ":1" }, nil, "--http-addr"},
		{"name of unknown meaning", func(c *Config) { c.Addr = "db1:19000" }, nil, "refused without a cluster secret"},
		{"wildcard without advertised address", func(c *Config) { c.Addr, c.Secret = "0.0.0.0:19000", "s" }, nil, "say with --advertise-addr"},
		{"no peer port left", func(c *Config) { c.Addr = "127.0.0.1:60000" }, nil, "set --peer-addr"},
		{"no HTTP port left", func(c *Config) { c.Addr = "127.0.0.1:50000" }, nil, "set --http-addr"},
		{"no port", func(c *Config) { c.Addr = "localhost" }, nil, "want host:port"},
		{"bad port", func(c *Config) { c.PeerAddr = "127.0.0.1:99999" }, nil, `"99999" is not a port`},
		{"one address twice", func(c *Config) { c.HTTPAddr = c.Addr }, nil, "--addr has the same address"},
		{"bad id", func(c *Config) { c.ID = "a b" }, nil, "--id"},
		{"no dir", func(c *Config) { c.Dir = "" }, nil, "--dir"},
		{"bad join", func(c *Config) { c.Join = []string{"127.0.0.1:1", "x"} }, nil, `--join "x"`},
		{"negative loops", func(c *Config) { c.Loops = -1 }, nil, "--loops"},
		{"bad level", func(c *Config) { c.LogLevel = "loud" }, nil, "--log-level"},
		{"bad format", func(c *Config) { c.LogFormat = "xml" }, nil, "--log-format"},
		{"long socket path", func(c *Config) { c.Unix = strings.Repeat("x", 104) }, nil, "--unix"},
		{"admin password file", func(c *Config) { c.AdminPasswordFile = secretFile }, func(c Config) bool { return c.AdminPassword == "from file" }, ""},
		{"two secrets", func(c *Config) { c.Secret, c.SecretFile = "s", secretFile }, nil, "both"},
		{"secret file is away", func(c *Config) { c.SecretFile = secretFile + "x" }, nil, "--secret-file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := DefaultConfig()
			tt.in(&c)
			got, err := c.Complete()
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("got error %v, want one that contains %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !tt.check(got) {
				t.Errorf("got %+v", got)
			}
			again, err := got.Complete()
			if err != nil || !reflect.DeepEqual(again, got) {
				t.Errorf("completed twice: got %+v, %v, want %+v", again, err, got)
			}
		})
	}
}

func TestSecretIsNotInErrors(t *testing.T) {
	c := DefaultConfig()
	c.Secret, c.Password, c.AdminPassword, c.SecretFile, c.LogLevel = "hush1", "hush2", "hush3", "/no/such/file", "loud"
	_, err := c.Complete()
	if err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("got %v", err)
	}
}

func TestBound(t *testing.T) {
	c := DefaultConfig()
	c.Addr, c.PeerAddr, c.AdvertisePeerAddr = "127.0.0.1:0", "127.0.0.1:5", "nat:6"
	c, err := c.Complete()
	if err != nil {
		t.Fatal(err)
	}
	c = c.Bound("127.0.0.1:1001", "127.0.0.1:5", "127.0.0.1:1003")
	got := []string{c.Addr, c.AdvertiseAddr, c.PeerAddr, c.AdvertisePeerAddr, c.HTTPAddr, c.AdvertiseHTTPAddr}
	want := []string{"127.0.0.1:1001", "127.0.0.1:1001", "127.0.0.1:5", "nat:6", "127.0.0.1:1003", "127.0.0.1:1003"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// load runs Load with maps for flags and environment and a config file's text.
func load(t *testing.T, flags, env map[string]string, file string) (Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "codis.conf")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	lookup := func(m map[string]string) func(string) (string, bool) {
		return func(name string) (string, bool) {
			v, ok := m[name]
			return v, ok
		}
	}
	env["CODIS_CONFIG"] = path
	return Load(Sources{Flag: lookup(flags), Getenv: lookup(env)})
}

func TestLoadPrecedence(t *testing.T) {
	type m = map[string]string
	tests := []struct {
		name       string
		flags, env m
		file       string
		want       string
	}{
		{"default", m{}, m{}, "", ""},
		{"file", m{}, m{}, "zone file\n", "file"},
		{"environment over file", m{}, m{"CODIS_ZONE": "env"}, "zone file\n", "env"},
		{"flag over environment", m{"zone": "flag"}, m{"CODIS_ZONE": "env"}, "zone file\n", "flag"},
		{"empty variable is unset", m{}, m{"CODIS_ZONE": ""}, "zone file\n", "file"},
		{"empty flag is set", m{"zone": ""}, m{"CODIS_ZONE": "env"}, "zone file\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := load(t, tt.flags, tt.env, tt.file)
			if err != nil {
				t.Fatal(err)
			}
			if c.Zone != tt.want {
				t.Errorf("got %q, want %q", c.Zone, tt.want)
			}
		})
	}
}

func TestLoadFile(t *testing.T) {
	c, err := load(t, map[string]string{}, map[string]string{}, `
# a comment
id n7
	join   10.0.0.1:19000, 10.0.0.2:19000
password "two words"
pprof yes
loops 3
unix ""
`)
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultConfig()
	want.ID, want.Password, want.Pprof, want.Loops = "n7", "two words", true, 3
	want.Join = []string{"10.0.0.1:19000", "10.0.0.2:19000"}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v, want %+v", c, want)
	}
	for name, file := range map[string]string{
		"line 2: no such setting \"maxclients\"": "id n1\nmaxclients 5\n",
		"line 2: loops: \"many\"":                "\nloops many",
		"line 1: id has no value":                "id",
		"line 3: id stands already in line 1":    "id a\n\nid b",
		"line 1: id: unbalanced quotes":          `id "a`,
		"line 1: pprof: \"maybe\"":               "pprof maybe",
	} {
		if _, err := load(t, map[string]string{}, map[string]string{}, file); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want %q", err, name)
		}
	}
}

func TestLoadNamesTheSource(t *testing.T) {
	_, err := load(t, map[string]string{}, map[string]string{"CODIS_LOOPS": "x"}, "")
	if err == nil || !strings.Contains(err.Error(), "CODIS_LOOPS") {
		t.Errorf("got %v, want the variable's name", err)
	}
	_, err = load(t, map[string]string{"loops": "x"}, map[string]string{}, "")
	if err == nil || !strings.Contains(err.Error(), "--loops") {
		t.Errorf("got %v, want the flag's name", err)
	}
}

func TestFromCLI(t *testing.T) {
	t.Setenv("CODIS_ZONE", "z1")
	var got Config
	app := &cli.App{Writer: io.Discard, Flags: Flags(), Action: func(c *cli.Context) (err error) {
		got, err = FromCLI(c)
		return err
	}}
	if err := app.Run([]string{"codis", "--id", "n1", "--pprof", "--join", "127.0.0.1:1,127.0.0.1:2"}); err != nil {
		t.Fatal(err)
	}
	if got.ID != "n1" || !got.Pprof || got.Zone != "z1" || len(got.Join) != 2 || got.PeerAddr == "" {
		t.Errorf("got %+v", got)
	}
}

func FuzzParseFile(f *testing.F) {
	f.Add("id n1\n# c\nzone \"a b\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		lines, err := parseFile(text)
		if err != nil {
			return
		}
		for _, l := range lines {
			if l.name == "" || l.number < 1 || strings.ContainsAny(l.name, " \t\n") {
				t.Errorf("got %+v", l)
			}
		}
	})
}
