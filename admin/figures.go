package admin

import (
	"context"
	"math"
	"strconv"

	"codis/router/resp"
)

// Figures is what a node says of itself, over the last seconds. It travels as JSON
// with the renewals of leases; what a node does not know is null.
type Figures struct {
	Ready           *bool    `json:"ready"`
	OpsPerSecond    *float64 `json:"ops_per_second"`
	ErrorsPerSecond *float64 `json:"errors_per_second"`
	P50Micros       *float64 `json:"p50_us"`
	P99Micros       *float64 `json:"p99_us"`
	Clients         *float64 `json:"clients"`
	MemoryBytes     *float64 `json:"memory_bytes"`
	UptimeSeconds   *float64 `json:"uptime_s"`
}

// figureFields are the numbers of Figures by their names in CODIS.NODES.
var figureFields = []struct {
	name string
	at   func(*Figures) **float64
}{
	{"ops-per-second", func(f *Figures) **float64 { return &f.OpsPerSecond }},
	{"errors-per-second", func(f *Figures) **float64 { return &f.ErrorsPerSecond }},
	{"p50-us", func(f *Figures) **float64 { return &f.P50Micros }},
	{"p99-us", func(f *Figures) **float64 { return &f.P99Micros }},
	{"clients", func(f *Figures) **float64 { return &f.Clients }},
	{"memory", func(f *Figures) **float64 { return &f.MemoryBytes }},
	{"uptime", func(f *Figures) **float64 { return &f.UptimeSeconds }},
}

// fieldReady is the name of Ready in CODIS.NODES.
const fieldReady = "ready"

// write writes the figures of a row of CODIS.NODES, whole numbers as integers, others
// as text with one decimal, nil for what is not known.
func (f *Figures) write(c *call) {
	if f == nil {
		f = &Figures{}
	}
	c.WriteBulkString(fieldReady)
	if f.Ready == nil {
		c.WriteNull()
	} else {
		writeBool(c, *f.Ready)
	}
	for _, field := range figureFields {
		c.WriteBulkString(field.name)
		switch v := *field.at(f); {
		case v == nil:
			c.WriteNull()
		case *v == math.Trunc(*v):
			c.WriteInt64(int64(*v))
		default:
			c.WriteBulkString(strconv.FormatFloat(*v, 'f', 1, 64))
		}
	}
}

// read takes one field of a row that another node has written.
func (f *Figures) read(name string, value resp.Reply) {
	if value.Kind != resp.KindInteger && value.Kind != resp.KindBulk {
		return
	}
	if name == fieldReady {
		ready := value.Int == 1
		f.Ready = &ready
		return
	}
	for _, field := range figureFields {
		if v, err := strconv.ParseFloat(value.Text(), 64); field.name == name && err == nil {
			*field.at(f) = &v
		}
	}
}

// Totals is the Figures of all nodes together. Percentiles can't be added up: they are
// the worst node's.
type Totals struct {
	// Nodes is how many nodes the figures are of.
	Nodes           int      `json:"nodes"`
	OpsPerSecond    *float64 `json:"ops_per_second"`
	ErrorsPerSecond *float64 `json:"errors_per_second"`
	P50Micros       *float64 `json:"p50_us"`
	P99Micros       *float64 `json:"p99_us"`
	Clients         *float64 `json:"clients"`
	MemoryBytes     *float64 `json:"memory_bytes"`
	// Keys is how many keys the masters have.
	Keys *int64 `json:"keys"`
}

// totals sums up what all nodes say; nil when that is not known.
func (o *Ops) totals(ctx context.Context, q NodesQuery) *Totals {
	nodes, err := o.Nodes(ctx, q)
	if err != nil {
		return nil
	}
	t := nodes.Totals()
	return &t
}

// Totals sums the figures of nodes up. It is pure.
func (nodes NodeList) Totals() Totals {
	var t Totals
	for _, n := range nodes {
		if n.Figures == nil {
			continue
		}
		t.Nodes++
		t.OpsPerSecond = sum(t.OpsPerSecond, n.OpsPerSecond)
		t.ErrorsPerSecond = sum(t.ErrorsPerSecond, n.ErrorsPerSecond)
		t.Clients = sum(t.Clients, n.Clients)
		t.MemoryBytes = sum(t.MemoryBytes, n.MemoryBytes)
		t.P50Micros = worst(t.P50Micros, n.P50Micros)
		t.P99Micros = worst(t.P99Micros, n.P99Micros)
	}
	return t
}

// sum adds what is known.
func sum(a, b *float64) *float64 {
	if a == nil || b == nil {
		return either(a, b)
	}
	both := *a + *b
	return &both
}

// worst is the larger one of what is known.
func worst(a, b *float64) *float64 {
	if a == nil || b == nil {
		return either(a, b)
	}
	most := max(*a, *b)
	return &most
}

// either is the one that is known, if any.
func either(a, b *float64) *float64 {
	if a != nil {
		return a
	}
	return b
}
