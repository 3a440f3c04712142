package cli

import (
	"fmt"
	"strings"
	"time"

	ucli "github.com/urfave/cli/v2"

	"codis/router/resp"
)

func jobsCommand() *ucli.Command {
	return verb{
		name: "jobs", usage: "list the jobs that move slots", max: 0,
		about: "The newest is the first. --watch shows the unfinished ones until there is none left: with a bar for\n" +
			"each on a terminal, else, and with --json, with a line whenever one has changed.",
		examples: []string{"codis jobs", "codis jobs --watch", "codis jobs --json"},
		flags: []ucli.Flag{
			&ucli.BoolFlag{Name: "watch", Usage: "go on showing them until all are finished"},
			&ucli.DurationFlag{Name: "interval", Value: time.Second, Usage: "how often --watch looks"},
		},
		run: func(s *session) error {
			if s.c.Bool("watch") {
				return s.watch()
			}
			return s.printJobs()
		},
	}.command()
}

// job is a row of CODIS.JOBS.
type job struct {
	ID            int64      `json:"id"`
	Kind          string     `json:"kind"`
	State         string     `json:"state"`
	SlotsTotal    int64      `json:"slots_total"`
	SlotsDone     int64      `json:"slots_done"`
	Keys          int64      `json:"keys"`
	Bytes         int64      `json:"bytes"`
	KeysPerSecond int64      `json:"keys_per_second"`
	ETA           *int64     `json:"eta"`
	Live          bool       `json:"live"`
	Reason        string     `json:"reason"`
	Who           string     `json:"who"`
	CreatedAt     string     `json:"created_at"`
	EndedAt       *string    `json:"ended_at"`
	Consent       bool       `json:"consent"`
	KeysLimit     int64      `json:"keys_limit"`
	BytesLimit    int64      `json:"bytes_limit"`
	Moves         []slotMove `json:"moves"`
	Batches       []batch    `json:"batches"`
}

// batch is a set of slots that are being moved together.
type batch struct {
	Epoch int64      `json:"epoch"`
	Phase string     `json:"phase"`
	Moves []slotMove `json:"moves"`
}

// finished says whether a job is at its end, also in the words of a newer version.
func (j job) finished() bool { return j.EndedAt != nil }

// jobs asks for all jobs.
func (s *session) jobs() ([]job, error) {
	reply, err := s.read("CODIS.JOBS")
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf(reply, -1)
	if err != nil {
		return nil, err
	}
	list := make([]job, len(rows))
	for i, row := range rows {
		if list[i], err = jobOf(row); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func jobOf(row []resp.Reply) (job, error) {
	f := fieldsOf(row)
	j := job{ID: f["id"].Int, Kind: f.text("kind"), State: f.text("state"), SlotsTotal: f["slots-total"].Int, SlotsDone: f["slots-done"].Int,
		Keys: f["keys"].Int, Bytes: f["bytes"].Int, KeysPerSecond: f["keys-per-second"].Int, ETA: f.number("eta"), Live: f.yes("live"),
		Reason: f.text("reason"), Who: f.text("who"), CreatedAt: moment(f["created-at"].Int),
		Consent: f.yes("consent"), KeysLimit: f["keys-limit"].Int, BytesLimit: f["bytes-limit"].Int, Batches: []batch{}}
	if ended := f.number("ended-at"); ended != nil {
		text := moment(*ended)
		j.EndedAt = &text
	}
	if j.State == "" {
		return j, errReply("a job without a state")
	}
	var err error
	if j.Moves, err = movesOf(f["moves"]); err != nil {
		return j, err
	}
	rows, err := rowsOf(f["batches"], 3)
	if err != nil {
		return j, err
	}
	for _, b := range rows {
		moves, err := movesOf(b[2])
		if err != nil {
			return j, err
		}
		j.Batches = append(j.Batches, batch{Epoch: b[0].Int, Phase: b[1].Text(), Moves: moves})
	}
	return j, nil
}

func (s *session) printJobs() error {
	list, err := s.jobs()
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(list)
	}
	return s.printTable(jobTable(list), "BYTES", "KEYS", "KIND", "MOVES")
}

// jobTable is for people.
func jobTable(list []job) [][]string {
	table := [][]string{{"JOB", "KIND", "STATE", "SLOTS", "KEYS", "BYTES", "KEYS/S", "ETA", "MOVES", "REASON"}}
	for _, j := range list {
		rate, eta := "", ""
		if !j.finished() {
			rate, eta = decimal(j.KeysPerSecond), etaText(j.ETA)
		}
		table = append(table, []string{decimal(j.ID), j.Kind, j.State, fmt.Sprintf("%d/%d", j.SlotsDone, j.SlotsTotal),
			decimal(j.Keys), size(j.Bytes), rate, eta, moveTexts(j.Moves), j.Reason})
	}
	return table
}

// maxMoveTexts bounds how many moves a line shows.
const maxMoveTexts = 3

// moveTexts writes moves in short: 0-9:1>2.
func moveTexts(moves []slotMove) string {
	var texts []string
	for i, m := range moves {
		if i == maxMoveTexts {
			texts = append(texts, fmt.Sprintf("and %d more", len(moves)-i))
			break
		}
		texts = append(texts, fmt.Sprintf("%s:%d>%d", span(m.Start, m.End), m.From, m.To))
	}
	return strings.Join(texts, " ")
}

// pairTexts writes all moves, one text for those that follow each other between two groups.
func pairTexts(moves []slotMove) (texts []string) {
	var spans []string
	for i, m := range moves {
		spans = append(spans, span(m.Start, m.End))
		if next := i + 1; next == len(moves) || moves[next].From != m.From || moves[next].To != m.To {
			texts = append(texts, fmt.Sprintf("%s:%d>%d", strings.Join(spans, ", "), m.From, m.To))
			spans = nil
		}
	}
	return texts
}

// etaText writes seconds, empty when they are not known.
func etaText(eta *int64) string {
	if eta == nil {
		return ""
	}
	return (time.Duration(*eta) * time.Second).String()
}

// size writes bytes in three digits.
func size(n int64) string {
	if n < 1024 {
		return decimal(n)
	}
	f := float64(n)
	for _, unit := range "KMGTP" {
		if f /= 1024; f < 1000 {
			return fmt.Sprintf("%.3g%c", f, unit)
		}
	}
	return fmt.Sprintf("%.0fE", f/1024)
}
