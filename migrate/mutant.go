package migrate

import "context"

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
)

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
