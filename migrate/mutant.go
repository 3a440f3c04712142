package migrate

import (
	"context"

	"codis/migrate/fence"
)

// mutant switches one rule off. Only tests set it, to see that they notice.
type mutant uint8

const (
	_ mutant = iota
	// mutantNoWait deletes before the replicas of the target have what was moved.
	mutantNoWait
	// mutantWaitElsewhere asks WAIT on a connection that has written nothing.
	mutantWaitElsewhere
	// mutantRemakeSets makes moved sets again that were lost.
	mutantRemakeSets
	// mutantUnfenced deletes at the source whether or not the fence is there.
	mutantUnfenced
)

// firstCursor is where a pass begins: at the beginning, for a cursor means nothing at
// another server, nor at the same one after a restart. The mutant goes on where the
// pass at another one was.
func (m *mover) firstCursor() string {
	if kept := m.run.c.cfg.keptCursor; kept != "" {
		return kept
	}
	return "0"
}

// unfenced is unlink without the rule.
func (u *unlinker) unfenced(ctx context.Context, items []fence.Item) (int64, error) {
	if err := u.disarm(ctx); err != nil {
		return 0, err
	}
	cmd := []string{"UNLINK"}
	for _, item := range items {
		cmd = append(cmd, string(item.Name))
	}
	r, err := u.link.one(ctx, cmd...)
	return r.Int, err
}

// elsewhere does what a link has to do and returns another one, to ask WAIT there.
func (m *mover) elsewhere(ctx context.Context, l *link) (*link, error) {
	if _, err := l.do(ctx, 1); err != nil {
		return nil, err
	}
	other, err := m.run.c.openMaster(ctx, m.run.c.store.State(), l.group)
	if err == nil {
		other.request("PING")
	}
	return other, err
}
