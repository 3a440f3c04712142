package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	ucli "github.com/urfave/cli/v2"

	"codis/router/resp"
)

func jobCommand() *ucli.Command {
	return verb{
		name: "job", usage: "show, pause, resume, cancel, force, limit or wait for a job", args: "ID [pause | resume | cancel | force | limit | wait [SECONDS]]", min: 1, max: 3,
		about: "pause begins no further slots; those under way stay as they are, and are served. cancel lets slots\n" +
			"that are moved stay where they are and takes those that are being moved back. wait returns when the job\n" +
			"is at its end; the exit code is 0 when it is done, 1 when it was not, or when SECONDS were over.\n" +
			"limit changes how much it moves a second. force is for a job whose reason asks for it: a server has lost\n" +
			"which keys were moved, those that the target has count, and keys that were deleted there may come back.",
		examples: []string{"codis job 42", "codis job 42 pause", "codis job 42 wait", "codis job 42 wait 60", "codis job 42 limit --keys 5000 --bytes 0"},
		flags: []ucli.Flag{
			&ucli.Int64Flag{Name: "keys", Usage: "with limit: move at most `N` keys a second; 0: what the settings say"},
			&ucli.Int64Flag{Name: "bytes", Usage: "with limit: move at most `N` bytes a second; 0: what the settings say"},
		},
		run: runJob,
	}.command()
}

func runJob(s *session) error {
	id, err := strconv.ParseUint(s.words[0], 10, 64)
	if err != nil {
		return usagef("the job %q is not a number", s.words[0])
	}
	if len(s.words) == 1 {
		reply, err := s.read("CODIS.JOB", s.words[0])
		if err != nil {
			return err
		}
		_, err = s.printJob(reply)
		return err
	}
	switch verb := strings.ToLower(s.words[1]); {
	case verb == "wait":
		return s.waitFor(id, s.words[2:])
	case len(s.words) > 2:
		return usagef("nothing may follow %s", s.words[1])
	case verb == "limit":
		if !s.c.IsSet("keys") && !s.c.IsSet("bytes") {
			return usagef("limit needs --keys N or --bytes N")
		}
		return s.change(s.rateWords([]string{"CODIS.JOB", s.words[0], "LIMIT"})...)
	case verb == "pause" || verb == "resume" || verb == "cancel" || verb == "force":
		return s.change("CODIS.JOB", s.words[0], strings.ToUpper(verb))
	}
	return usagef("%q is not one of pause, resume, cancel, force, limit, wait", s.words[1])
}

func (s *session) printJob(r resp.Reply) (job, error) {
	if r.Kind != resp.KindArray {
		return job{}, errReply(r.Kind.String() + " for a job")
	}
	j, err := jobOf(r.Array)
	if err != nil {
		return j, err
	}
	if s.json {
		return j, s.printJSON(j)
	}
	ended := ""
	if j.EndedAt != nil {
		ended = *j.EndedAt
	}
	rows := [][]string{
		{"job", decimal(j.ID)}, {"kind", j.Kind}, {"state", j.State}, {"reason", j.Reason},
		{"slots", fmt.Sprintf("%d of %d", j.SlotsDone, j.SlotsTotal)}, {"keys", decimal(j.Keys)}, {"bytes", size(j.Bytes)},
		{"keys/s", decimal(j.KeysPerSecond)}, {"left", etaText(j.ETA)}, {"made", j.CreatedAt + " by " + j.Who}, {"ended", ended},
	}
	for _, text := range pairTexts(j.Moves) {
		rows = append(rows, []string{"moves", text})
	}
	for _, b := range j.Batches {
		rows = append(rows, []string{b.Phase, moveTexts(b.Moves)})
	}
	return j, s.printRows(rows, false)
}

// waitStep is how long one question waits: a connection that is silent for longer
// is one that many networks forget.
const waitStep = 20 * time.Second

// waitFor waits for a job's end, without words for as long as it takes.
func (s *session) waitFor(id uint64, words []string) error {
	ctx := s.c.Context
	if len(words) == 1 {
		seconds, err := strconv.ParseFloat(words[0], 64)
		if err != nil || !(seconds >= 0 && seconds < 1e9) {
			return usagef("%q is not a number of seconds", words[0])
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(seconds*float64(time.Second)))
		defer cancel()
	}
	for {
		step := min(waitStep, s.c.Duration("timeout")/2)
		if end, ok := ctx.Deadline(); ok {
			step = max(0, min(step, time.Until(end)))
		}
		reply, err := s.read("CODIS.JOB", strconv.FormatUint(id, 10), "WAIT", strconv.FormatFloat(step.Seconds(), 'f', 3, 64))
		if err != nil {
			return err
		}
		j, err := jobOf(reply.Array)
		switch {
		case err != nil:
			return err
		case !j.finished() && ctx.Err() == nil:
			continue
		}
		if _, err := s.printJob(reply); err != nil {
			return err
		}
		switch {
		case !j.finished():
			return fmt.Errorf("job %d is still %s", id, j.State)
		case j.State != "done":
			return fmt.Errorf("job %d is %s", id, j.State)
		}
		return nil
	}
}
