package cli

import (
	"strconv"
	"time"

	ucli "github.com/urfave/cli/v2"
)

func nodesCommand() *ucli.Command {
	return verb{
		name: "nodes", usage: "list the nodes", max: 0, watch: true,
		about: "UP is whether the leader holds the node for alive: one without a lease serves nobody. READY, OPS/S, P99 and\n" +
			"CLIENTS are what the node has said of itself. RENEWED is when the leader last heard of a node, ACKED the epoch of the table that the node serves by.",
		examples: []string{"codis nodes", "codis nodes --addr 10.0.0.1:19000,10.0.0.2:19000"},
		run:      runNodes,
	}.command()
}

// node is a row of CODIS.NODES.
type node struct {
	ID       string `json:"id"`
	Role     string `json:"role"`
	Addr     string `json:"addr"`
	PeerAddr string `json:"peer_addr"`
	HTTPAddr string `json:"http_addr"`
	Zone     string `json:"zone"`
	Version  string `json:"version"`
	JoinedAt string `json:"joined_at"`
	// Self says that this node gave the answer.
	Self bool `json:"self"`
	// What the leader knows of the node; nil when it could not be asked.
	Up        *bool  `json:"up"`
	RenewedMS *int64 `json:"renewed_ms"`
	Acked     *int64 `json:"acked"`
	LeaseMS   *int64 `json:"lease_ms"`
	// What the node has said of itself, over the last seconds; nil when it has not.
	Ready           *bool    `json:"ready"`
	OpsPerSecond    *float64 `json:"ops_per_second"`
	ErrorsPerSecond *float64 `json:"errors_per_second"`
	P50Micros       *float64 `json:"p50_us"`
	P99Micros       *float64 `json:"p99_us"`
	Clients         *float64 `json:"clients"`
	MemoryBytes     *float64 `json:"memory_bytes"`
	UptimeSeconds   *float64 `json:"uptime_s"`
}

func runNodes(s *session) error {
	reply, err := s.read("CODIS.NODES")
	if err != nil {
		return err
	}
	rows, err := rowsOf(reply, -1)
	if err != nil {
		return err
	}
	list := make([]node, len(rows))
	table := [][]string{{"ID", "ROLE", "UP", "READY", "ADDR", "PEER", "HTTP", "ZONE", "VERSION", "OPS/S", "P99", "CLIENTS", "RENEWED", "ACKED"}}
	for i, row := range rows {
		list[i] = nodeOf(fieldsOf(row))
		table = append(table, list[i].cells())
	}
	if s.json {
		return s.printJSON(list)
	}
	return s.printTable(table, "ZONE", "ACKED", "RENEWED", "PEER", "HTTP", "VERSION", "CLIENTS", "P99", "OPS/S")
}

func nodeOf(f fields) node {
	return node{ID: f.text("id"), Role: f.text("role"), Addr: f.text("addr"), PeerAddr: f.text("peer-addr"),
		HTTPAddr: f.text("http-addr"), Zone: f.text("zone"), Version: f.text("version"),
		JoinedAt: moment(f["joined-at"].Int), Self: f.yes("self"),
		Up: f.truth("up"), RenewedMS: f.number("renewed-ms"), Acked: f.number("acked"), LeaseMS: f.number("lease-ms"),
		Ready: f.truth("ready"), OpsPerSecond: f.figure("ops-per-second"), ErrorsPerSecond: f.figure("errors-per-second"),
		P50Micros: f.figure("p50-us"), P99Micros: f.figure("p99-us"), Clients: f.figure("clients"),
		MemoryBytes: f.figure("memory"), UptimeSeconds: f.figure("uptime")}
}

func (n node) cells() []string {
	p99 := ""
	if n.P99Micros != nil {
		p99 = (time.Duration(*n.P99Micros) * time.Microsecond).String()
	}
	return []string{n.ID, n.Role, either(n.Up, "up", "down"), either(n.Ready, "ready", "not ready"), n.Addr, n.PeerAddr, n.HTTPAddr, n.Zone, n.Version,
		rounded(n.OpsPerSecond), p99, rounded(n.Clients), ago(n.RenewedMS), optional(n.Acked)}
}

// either is one of two words, empty for what is not known.
func either(b *bool, yes, no string) string {
	switch {
	case b == nil:
		return ""
	case *b:
		return yes
	}
	return no
}

// rounded writes a figure as a whole number, empty when it is not known.
func rounded(f *float64) string {
	if f == nil {
		return ""
	}
	return strconv.FormatFloat(*f, 'f', 0, 64)
}

// ago writes milliseconds that have passed, empty when they are not known.
func ago(ms *int64) string {
	if ms == nil {
		return ""
	}
	return (time.Duration(*ms) * time.Millisecond).String() + " ago"
}

// moment writes Unix milliseconds for people and programs, in UTC.
func moment(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }

func nodeCommand() *ucli.Command {
	return family("node", "remove nodes and hand over leadership",
		verb{
			name: "remove", usage: "take a node out of the cluster for good", args: "ID", min: 1, max: 1,
			about:    "If the node runs, it stops taking part. To come back it needs an empty directory and --join.",
			examples: []string{"codis node remove n3", "codis node remove n3 --force"},
			flags:    []ucli.Flag{&ucli.BoolFlag{Name: "force", Usage: "remove it although the other voters would have no majority that answers; it takes a leader"}},
			run: func(s *session) error {
				return s.change(s.onOff([]string{"CODIS.NODE", "REMOVE", s.words[0]}, "force", "FORCE")...)
			},
		},
		verb{
			name: "transfer", usage: "hand leadership to a voter", args: "ID", min: 1, max: 1,
			examples: []string{"codis node transfer n2"},
			run:      func(s *session) error { return s.change("CODIS.NODE", "TRANSFER", s.words[0]) },
		},
	)
}
