package cli

import (
	"fmt"
	"strconv"
	"time"

	ucli "github.com/urfave/cli/v2"

	"codis/router/resp"
)

// planTimeout is how long an answer may take for which all keys are read.
const planTimeout = 11 * time.Minute

// moveFlags are those of every command that makes a job.
func moveFlags() []ucli.Flag {
	return []ucli.Flag{
		&ucli.BoolFlag{Name: "dry-run", Usage: "show what would move, and whether it could; change nothing"},
		&ucli.BoolFlag{Name: "consent", Usage: "delete keys of these slots that the target has already, where no client sees them"},
		&ucli.BoolFlag{Name: "force", Usage: "make the job although a check fails; its slots wait until none does"},
		&ucli.Int64Flag{Name: "keys", Usage: "move at most `N` keys a second"},
		&ucli.Int64Flag{Name: "bytes", Usage: "move at most `N` bytes a second"},
	}
}

// moveWords appends the words of the moveFlags.
func (s *session) moveWords(args []string) []string {
	for _, flag := range [][2]string{{"dry-run", "DRYRUN"}, {"consent", "CONSENT"}, {"force", "FORCE"}} {
		args = s.onOff(args, flag[0], flag[1])
	}
	return s.rateWords(args)
}

// rateWords appends how much may move a second, where that was given.
func (s *session) rateWords(args []string) []string {
	for _, rate := range [][2]string{{"keys", "KEYS"}, {"bytes", "BYTES"}} {
		if s.c.IsSet(rate[0]) {
			args = append(args, rate[1], decimal(s.c.Int64(rate[0])))
		}
	}
	return args
}

// plan is what a dry run answers.
type plan struct {
	Slots  int64       `json:"slots"`
	Ready  bool        `json:"ready"`
	Moves  []slotMove  `json:"moves"`
	Groups []planGroup `json:"groups"`
	Checks []check     `json:"checks"`
}

type slotMove struct {
	Start int64 `json:"start"`
	End   int64 `json:"end"`
	From  int64 `json:"from"`
	To    int64 `json:"to"`
}

type planGroup struct {
	ID        int64  `json:"id"`
	SlotsNow  int64  `json:"slots_now"`
	SlotsThen int64  `json:"slots_then"`
	LoadNow   *int64 `json:"load_now"`
	LoadThen  *int64 `json:"load_then"`
}

type check struct {
	From   *int64 `json:"from"`
	To     *int64 `json:"to"`
	Name   string `json:"name"`
	Result string `json:"result"`
	Text   string `json:"text"`
}

// newJob is the JSON of a command that makes a job; ID is nil when none was needed.
type newJob struct {
	ID *int64 `json:"job"`
}

// move sends a command that makes a job, or shows a plan, and prints what came.
func (s *session) move(args []string) error {
	if s.c.Bool("dry-run") {
		reply, err := s.read(args...)
		if err != nil {
			return err
		}
		return s.printPlan(reply)
	}
	reply, err := s.send(args...)
	if err != nil {
		return err
	}
	if !reply.IsNil() && reply.Kind != resp.KindInteger {
		return errReply(reply.Kind.String() + " for a job")
	}
	if s.json {
		return s.printJSON(newJob{ID: number(reply)})
	}
	if reply.IsNil() {
		_, err = fmt.Fprintln(s.out, "nothing needs to move")
		return err
	}
	_, err = fmt.Fprintf(s.out, "job %d: codis jobs --watch shows how it gets on\n", reply.Int)
	return err
}

func (s *session) printPlan(r resp.Reply) error {
	p, err := planOf(r)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(p)
	}
	if p.Slots == 0 {
		_, err := fmt.Fprintln(s.out, "nothing needs to move")
		return err
	}
	moves := [][]string{{"SLOTS", "COUNT", "FROM", "TO"}}
	for _, m := range p.Moves {
		moves = append(moves, []string{span(m.Start, m.End), decimal(m.End - m.Start + 1), decimal(m.From), decimal(m.To)})
	}
	groups := [][]string{{"GROUP", "SLOTS NOW", "THEN", "LOAD NOW", "THEN"}}
	for _, g := range p.Groups {
		groups = append(groups, []string{decimal(g.ID), decimal(g.SlotsNow), decimal(g.SlotsThen), optional(g.LoadNow), optional(g.LoadThen)})
	}
	checks := [][]string{{"CHECK", "FROM", "TO", "RESULT", "FOUND"}}
	for _, c := range p.Checks {
		checks = append(checks, []string{c.Name, optional(c.From), optional(c.To), c.Result, c.Text})
	}
	for i, table := range [][][]string{moves, groups, checks} {
		if i > 0 {
			fmt.Fprintln(s.out)
		}
		if err := s.printTable(table); err != nil {
			return err
		}
	}
	if !p.Ready {
		_, err = fmt.Fprintln(s.out, "\nNothing would move while a check fails.")
	}
	return err
}

func planOf(r resp.Reply) (plan, error) {
	p := plan{Moves: []slotMove{}, Groups: []planGroup{}, Checks: []check{}}
	if r.Kind != resp.KindArray {
		return p, errReply(r.Kind.String() + " for a plan")
	}
	f := fieldsOf(r.Array)
	p.Slots, p.Ready = f["slots"].Int, f.yes("ready")
	var err error
	if p.Moves, err = movesOf(f["moves"]); err != nil {
		return p, err
	}
	groups, err := rowsOf(f["groups"], 5)
	if err != nil {
		return p, err
	}
	for _, g := range groups {
		p.Groups = append(p.Groups, planGroup{ID: g[0].Int, SlotsNow: g[1].Int, SlotsThen: g[2].Int, LoadNow: number(g[3]), LoadThen: number(g[4])})
	}
	checks, err := rowsOf(f["checks"], 5)
	for _, c := range checks {
		p.Checks = append(p.Checks, check{From: number(c[0]), To: number(c[1]), Name: c[2].Text(), Result: c[3].Text(), Text: c[4].Text()})
	}
	return p, err
}

// movesOf reads rows of start, end, from and to.
func movesOf(r resp.Reply) ([]slotMove, error) {
	rows, err := rowsOf(r, 4)
	if err != nil {
		return nil, err
	}
	moves := make([]slotMove, len(rows))
	for i, m := range rows {
		moves[i] = slotMove{Start: m[0].Int, End: m[1].Int, From: m[2].Int, To: m[3].Int}
	}
	return moves, nil
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// optional is empty for what is not there.
func optional(n *int64) string {
	if n == nil {
		return ""
	}
	return decimal(*n)
}
