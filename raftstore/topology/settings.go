package topology

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxSecretLength is also what Redis takes for a password without complaint.
const maxSecretLength = 512

// SettingKind is the type of a setting's value.
type SettingKind string

const (
	// KindText is any text.
	KindText SettingKind = "text"
	// KindChoice is one word of a list.
	KindChoice SettingKind = "choice"
	// KindBool is yes or no.
	KindBool SettingKind = "yes/no"
	// KindInt is a whole number.
	KindInt SettingKind = "number"
	// KindBytes is a size: 1048576, 1024kb, 1mb.
	KindBytes SettingKind = "size"
	// KindDuration is a time: 500ms, 5s, 1m; 0 where it may be off.
	KindDuration SettingKind = "duration"
)

// Setting is one row of the table of settings.
type Setting struct {
	Name    string
	Kind    SettingKind
	Default string
	// Choices are the words of a KindChoice.
	Choices []string
	// Min and Max bound numbers, bytes, and durations in nanoseconds.
	Min, Max int64
	// Secret values are never shown.
	Secret bool
	Help   string
	// Since is the format that brought the setting; 0 is the oldest.
	Since Format
}

const (
	mib = 1 << 20
	gib = 1 << 30
	tib = 1 << 40
)

// definitions is in the order of names.
var definitions = []Setting{
	{Name: "backend-dial-timeout", Kind: KindDuration, Default: "1s", Min: int64(10 * time.Millisecond), Max: int64(time.Minute),
		Help: "how long connecting to a server may take"},
	{Name: "backend-password", Kind: KindText, Secret: true,
		Help: "password for AUTH at every server of groups that have none of their own"},
	{Name: "backend-timeout", Kind: KindDuration, Default: "5s", Min: int64(10 * time.Millisecond), Max: int64(time.Hour),
		Help: "how long a server may take to answer a request"},
	{Name: "backend-user", Kind: KindText, Help: "user for AUTH at every server of groups that have none of their own; empty: password only"},
	{Name: "client-output-buffer-limit", Kind: KindBytes, Default: "1gb", Min: 0, Max: tib,
		Help: "a client whose unread replies are more is closed; 0: no limit"},
	{Name: "client-query-buffer-limit", Kind: KindBytes, Default: "1gb", Min: mib, Max: tib,
		Help: "a client whose unfinished request is more is closed"},
	{Name: "down-after", Since: 3, Kind: KindDuration, Default: "3s", Min: int64(500 * time.Millisecond), Max: int64(time.Hour),
		Help: "a server that has not answered a node for so long is down in that node's eyes"},
	{Name: "drain-delay", Since: 3, Kind: KindDuration, Default: "0", Min: 0, Max: int64(time.Minute),
		Help: "how long a node that shuts down lets clients in after it has turned unready, so that load balancers notice"},
	{Name: "dump-restore", Kind: KindBool, Default: "no", Help: "whether clients may use DUMP and RESTORE"},
	{Name: "durability-replicas", Since: 3, Kind: KindInt, Default: "0", Min: 0, Max: MaxServers,
		Help: "a write is answered only when so many replicas of its group have it, else with -NOREPLICAS"},
	{Name: "durability-timeout", Since: 3, Kind: KindDuration, Default: "1s", Min: int64(10 * time.Millisecond), Max: int64(time.Minute),
		Help: "how long a write waits for durability-replicas"},
	{Name: "failover", Since: 3, Kind: KindBool, Default: "yes",
		Help: "whether a replica is promoted when a majority of the voters finds its master down"},
	{Name: "failover-interval", Since: 3, Kind: KindDuration, Default: "1m", Min: 0, Max: int64(24 * time.Hour),
		Help: "how long after a failover a group gets no further one by itself"},
	{Name: "failover-max-link-down", Since: 3, Kind: KindDuration, Default: "10s", Min: 0, Max: int64(24 * time.Hour),
		Help: "a replica whose link broke so long before its master fell silent is not promoted by itself"},
	{Name: "flush-commands", Kind: KindBool, Default: "yes", Help: "whether clients may use FLUSHALL and FLUSHDB"},
	{Name: "hold-deadline", Kind: KindDuration, Default: "2s", Min: int64(10 * time.Millisecond), Max: int64(time.Minute),
		Help: "how long a request may wait for slots that are held; then it gets -TRYAGAIN"},
	{Name: "hold-max-bytes", Kind: KindBytes, Default: "64mb", Min: 0, Max: tib,
		Help: "bytes of requests that one node lets wait for held slots; further ones get -TRYAGAIN"},
	{Name: "hold-max-requests", Kind: KindInt, Default: "10000", Min: 0, Max: 1 << 24,
		Help: "requests that one node lets wait for held slots; further ones get -TRYAGAIN"},
	{Name: "lease", Kind: KindDuration, Default: "5s", Min: int64(100 * time.Millisecond), Max: int64(10 * time.Minute),
		Help: "how long a node serves without word from the leader"},
	{Name: "lease-renew", Kind: KindDuration, Default: "1s", Min: int64(10 * time.Millisecond), Max: int64(time.Minute),
		Help: "how often a node renews its lease; at most half of it"},
	{Name: "max-args", Kind: KindInt, Default: "1048576", Min: 64, Max: 1 << 30, Help: "arguments of one request"},
	{Name: "maxclients", Kind: KindInt, Default: "10000", Min: 1, Max: 1 << 24, Help: "clients of one node"},
	{Name: "migrate-batch-bytes", Kind: KindBytes, Default: "1mb", Min: 1 << 10, Max: gib,
		Help: "bytes that the mover reads ahead before it writes them"},
	{Name: "migrate-batch-keys", Kind: KindInt, Default: "300", Min: 1, Max: 1 << 20,
		Help: "keys that the mover moves at a time"},
	{Name: "migrate-batch-slots", Kind: KindInt, Default: "16", Min: 1, Max: SlotCount,
		Help: "slots that one pair of groups has under way at a time, at least; where slots have few keys, as many as have 1,000,000"},
	{Name: "migrate-big-bytes", Since: 3, Kind: KindBytes, Default: "64mb", Min: 1, Max: tib,
		Help: "a key that takes more memory is moved in parts, while reads of it go on and writes wait"},
	{Name: "migrate-big-elements", Since: 3, Kind: KindInt, Default: "100000", Min: 1, Max: 1 << 40,
		Help: "a key with more elements is moved in parts, too"},
	{Name: "migrate-big-wait", Since: 3, Kind: KindDuration, Default: "5s", Min: int64(10 * time.Millisecond), Max: int64(10 * time.Minute),
		Help: "how long a write may wait for a big key that is moved in parts; then it gets -TRYAGAIN"},
	{Name: "migrate-bytes-per-second", Kind: KindBytes, Default: "0", Min: 0, Max: tib,
		Help: "bytes that a job moves a second; 0: as fast as the servers take it"},
	{Name: "migrate-keys-per-second", Kind: KindInt, Default: "0", Min: 0, Max: 1 << 30,
		Help: "keys that a job moves a second; 0: as fast as the servers take it"},
	{Name: "migrate-parallel", Kind: KindInt, Default: "1", Min: 1, Max: 1024,
		Help: "pairs of groups, moving slots at a time, that one group may be in"},
	{Name: "move-cache", Kind: KindInt, Default: "65536", Min: 0, Max: 1 << 24,
		Help: "keys of moving slots that an event loop remembers as moved"},
	{Name: "node-memory-limit", Kind: KindBytes, Default: "0", Min: 0, Max: 1 << 50,
		Help: "bytes that one node may buffer for all clients together; 0: no limit"},
	{Name: "node-replace-after", Since: 3, Kind: KindDuration, Default: "0", Min: 0, Max: int64(365 * 24 * time.Hour),
		Help: "a voter that was not heard for so long loses its vote to another node, while three voters are there; 0: never"},
	{Name: "on-quorum-loss", Kind: KindChoice, Default: "stop", Choices: []string{"stop", "reads", "serve"},
		Help: "what a node does without a lease: refuse keyed commands, answer reads, or go on, which blocks moves while a node is silent"},
	{Name: "proto-inline-max-size", Kind: KindBytes, Default: "64kb", Min: 1 << 10, Max: gib, Help: "size of an inline request"},
	{Name: "proto-max-bulk-len", Kind: KindBytes, Default: "512mb", Min: mib, Max: tib, Help: "size of one argument"},
	{Name: "read-from", Kind: KindChoice, Default: "master", Choices: []string{"master", "replica", "nearest"},
		Help: "which server of a group answers reads"},
	{Name: "replica-max-lag", Kind: KindBytes, Default: "10mb", Min: 0, Max: tib,
		Help: "a replica that is further behind its master gets no reads"},
	{Name: "slowlog-log-slower-than", Since: 3, Kind: KindDuration, Default: "10ms", Min: 0, Max: int64(time.Hour),
		Help: "requests that take longer are kept for SLOWLOG GET on their node; 0: none"},
	{Name: "slowlog-max-len", Since: 3, Kind: KindInt, Default: "128", Min: 1, Max: 1 << 16, Help: "slow requests that a node keeps"},
	{Name: "tcp-keepalive", Kind: KindDuration, Default: "300s", Min: 0, Max: int64(24 * time.Hour),
		Help: "how often an idle client is asked whether it is still there; 0: never"},
	{Name: "timeout", Kind: KindDuration, Default: "0", Min: 0, Max: int64(365 * 24 * time.Hour),
		Help: "a client that has been idle for so long is closed; 0: never"},
}

// Definitions returns the table of settings, by name. It is not to be modified.
func Definitions() []Setting { return definitions }

// FindSetting returns the definition of a setting.
func FindSetting(name string) (Setting, bool) {
	at, ok := slices.BinarySearchFunc(definitions, name, func(d Setting, name string) int { return strings.Compare(d.Name, name) })
	if !ok {
		return Setting{}, false
	}
	return definitions[at], true
}

// CheckSetting says why a setting can't have a value.
func CheckSetting(name, value string) error {
	d, ok := FindSetting(name)
	if !ok {
		return refuse(CodeBadArg, "there is no setting %q", clip(name)).hint("CODIS.CONFIG GET * lists them")
	}
	// A secret's value never gets into the message.
	if err := d.check(value); err != nil {
		return refuse(CodeBadArg, "setting %s: %s", name, err)
	}
	return nil
}

func (d Setting) check(value string) error {
	switch d.Kind {
	case KindText:
		return d.checkText(value)
	case KindChoice:
		if !slices.Contains(d.Choices, value) {
			return fmt.Errorf("%q is not one of %s", clip(value), strings.Join(d.Choices, ", "))
		}
		return nil
	case KindBool:
		if value != "yes" && value != "no" {
			return fmt.Errorf("%q is neither yes nor no", clip(value))
		}
		return nil
	}
	number, ok := d.number(value)
	if !ok {
		hint := ""
		if d.Kind == KindDuration {
			hint = ", such as 500ms, 30s or 5m"
		}
		return fmt.Errorf("%q is not a %s%s", clip(value), d.Kind, hint)
	}
	if number < d.Min || number > d.Max {
		return fmt.Errorf("%s must be between %s and %s", clip(value), d.format(d.Min), d.format(d.Max))
	}
	return nil
}

// Bounds returns the least and the largest value as they are written; both are empty
// where the setting is no number.
func (d Setting) Bounds() (low, high string) {
	switch d.Kind {
	case KindInt, KindBytes, KindDuration:
		return d.format(d.Min), d.format(d.Max)
	default:
		return "", ""
	}
}

func (d Setting) checkText(value string) error {
	if len(value) > maxSecretLength {
		return fmt.Errorf("the text has more than %d bytes", maxSecretLength)
	}
	if !utf8.ValidString(value) {
		return fmt.Errorf("the text is not valid UTF-8")
	}
	if !d.Secret && !isWord(value) {
		return fmt.Errorf("the text must be one word")
	}
	return nil
}

// number reads a value of one of the kinds that are numbers.
func (d Setting) number(value string) (int64, bool) {
	switch d.Kind {
	case KindInt:
		number, err := strconv.ParseInt(value, 10, 64)
		return number, err == nil
	case KindBytes:
		return ParseBytes(value)
	case KindDuration:
		duration, err := time.ParseDuration(value)
		return int64(duration), err == nil
	}
	return 0, false
}

func (d Setting) format(number int64) string {
	switch d.Kind {
	case KindBytes:
		return FormatBytes(number)
	case KindDuration:
		return time.Duration(number).String()
	}
	return strconv.FormatInt(number, 10)
}

// byteUnits are those of redis.conf: kb is 1024, k is 1000.
var byteUnits = []struct {
	suffix string
	size   int64
}{{"kb", 1 << 10}, {"mb", 1 << 20}, {"gb", 1 << 30}, {"k", 1e3}, {"m", 1e6}, {"g", 1e9}, {"b", 1}, {"", 1}}

// ParseBytes reads a size as redis.conf has them: 4096, 64kb, 10mb, 1gb.
func ParseBytes(text string) (int64, bool) {
	text = strings.ToLower(text)
	for _, unit := range byteUnits {
		digits, ok := strings.CutSuffix(text, unit.suffix)
		if !ok {
			continue
		}
		number, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || number < 0 || number > (1<<62)/unit.size {
			return 0, false
		}
		return number * unit.size, true
	}
	return 0, false
}

// FormatBytes writes a size in the largest unit that keeps it whole.
func FormatBytes(size int64) string {
	for _, unit := range []int{2, 1, 0} {
		if u := byteUnits[unit]; size != 0 && size%u.size == 0 {
			return strconv.FormatInt(size/u.size, 10) + u.suffix
		}
	}
	return strconv.FormatInt(size, 10)
}

// Settings holds what was set, by name. Its getters answer with the default for
// what was not set; a name that is not in the table is a programmer's mistake and
// panics.
type Settings map[string]string

// Text returns a setting as it was written.
func (s Settings) Text(name string) string {
	if value, ok := s[name]; ok {
		return value
	}
	d, ok := FindSetting(name)
	if !ok {
		panic("topology: no setting " + name)
	}
	return d.Default
}

// Bool returns a KindBool.
func (s Settings) Bool(name string) bool { return s.Text(name) == "yes" }

// Int returns a KindInt.
func (s Settings) Int(name string) int { return int(s.value(name)) }

// Bytes returns a KindBytes, in bytes.
func (s Settings) Bytes(name string) int64 { return s.value(name) }

// Duration returns a KindDuration.
func (s Settings) Duration(name string) time.Duration { return time.Duration(s.value(name)) }

func (s Settings) value(name string) int64 {
	d, _ := FindSetting(name)
	number, _ := d.number(s.Text(name))
	return number
}

// SettingSet sets a setting for the whole cluster; the default's own value takes
// it out of the state again.
type SettingSet struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func (b SettingSet) word() string { return "setting-set" }

// since is that of the setting. One that does not exist is refused by all versions.
func (b SettingSet) since() Format {
	d, _ := FindSetting(b.Name)
	return d.Since
}

func (b SettingSet) describe(*State) string {
	if d, _ := FindSetting(b.Name); d.Secret {
		if b.Value == "" {
			return "setting " + b.Name + " cleared"
		}
		return "setting " + b.Name + " changed"
	}
	return fmt.Sprintf("setting %s is %q", b.Name, b.Value)
}

func (b SettingSet) apply(s *State, _ Command, _ uint64) *Error {
	if err := CheckSetting(b.Name, b.Value); err != nil {
		return asRefusal(err)
	}
	if d, _ := FindSetting(b.Name); d.Default == b.Value {
		delete(s.Settings, b.Name)
	} else {
		s.Settings[b.Name] = b.Value
	}
	return s.Settings.checkTogether()
}

// checkTogether says which settings contradict each other: a lease that is not
// renewed twice in its time would end with the first answer that is late.
func (s Settings) checkTogether() *Error {
	if lease, renew := s.Duration("lease"), s.Duration("lease-renew"); renew > lease/2 {
		return refuse(CodeBadArg, "lease-renew %s must be at most half of lease %s", renew, lease).
			hint("to lower both, set lease-renew first; to raise both, lease")
	}
	return nil
}
