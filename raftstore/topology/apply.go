package topology

import "maps"

// Bounds of what the state remembers.
const (
	// MaxHistory is how many changes are kept.
	MaxHistory = 500
	// MaxRequests is how many outcomes are kept, so how many commands may come
	// between a command and its retry.
	MaxRequests = 512
)

// NewState returns the state before the first command, which says by which format
// the cluster goes.
func NewState() *State {
	return &State{
		Format: oldestFormat, Groups: map[int]Group{}, Nodes: map[string]Node{}, Jobs: map[uint64]Job{}, Settings: Settings{},
	}
}

// Apply returns the state after the command of the log entry with that index, and
// what became of the command. It is a pure function: the same arguments give the
// same results on every node. s is not modified. A refused command changes
// nothing but Requests, and a command whose RequestID is there already changes
// nothing at all: it gets the outcome that it got the first time.
func Apply(s *State, index uint64, c Command) (*State, Outcome) {
	if first, ok := s.outcomeOf(c.RequestID); ok {
		return s, first
	}
	next := s.clone()
	refusal := next.check(index, c)
	if refusal == nil {
		refusal = c.Body.apply(next, c, index)
	}
	outcome := Outcome{RequestID: c.RequestID, Epoch: index}
	if refusal != nil {
		outcome.Epoch, outcome.Code = s.Epoch, refusal.Code
		outcome.Message, outcome.Hint = refusal.Message, refusal.Hint
		next = s.clone()
	} else {
		next.Epoch = index
		if what := c.Body.describe(next); what != "" {
			next.History = appendBounded(next.History, Change{Epoch: index, At: c.At, Who: clip(c.Who), What: clip(what)}, MaxHistory)
		}
	}
	// Refusals are remembered too: of a command that was sent twice the second
	// copy must not succeed after the first one was answered with an error.
	if c.RequestID != "" {
		next.Requests = appendBounded(next.Requests, outcome, MaxRequests)
	}
	return next, outcome
}

// check refuses what no body needs to look at.
func (s *State) check(index uint64, c Command) *Error {
	switch {
	case c.Body == nil:
		return refuse(CodeBadArg, "the command has no body")
	case index <= s.Epoch:
		return refuse(CodeStale, "entry %d is behind epoch %d", index, s.Epoch)
	case c.ExpectEpoch != 0 && c.ExpectEpoch != s.Epoch:
		return refuse(CodeStale, "the cluster has changed: epoch %d, expected %d", s.Epoch, c.ExpectEpoch).hint("look again and repeat the command")
	}
	if _, first := c.Body.(ClusterInit); s.ClusterID == "" && !first {
		return refuse(CodeBadArg, "the cluster has no ID yet")
	}
	if err := s.Admit(c); err != nil {
		return asRefusal(err)
	}
	return nil
}

func (s *State) outcomeOf(requestID string) (Outcome, bool) {
	if requestID == "" {
		return Outcome{}, false
	}
	// The newest are asked for most: a retry comes soon.
	for i := len(s.Requests) - 1; i >= 0; i-- {
		if s.Requests[i].RequestID == requestID {
			return s.Requests[i], true
		}
	}
	return Outcome{}, false
}

// clone copies what bodies may change in place: the slots and the maps. Slices
// inside of groups and jobs, History and Requests are shared, and are replaced,
// never written to.
func (s *State) clone() *State {
	next := *s
	next.Groups, next.Nodes, next.Settings = maps.Clone(s.Groups), maps.Clone(s.Nodes), maps.Clone(s.Settings)
	if next.Groups == nil {
		next.Groups = map[int]Group{}
	}
	if next.Jobs = maps.Clone(s.Jobs); next.Jobs == nil {
		next.Jobs = map[uint64]Job{}
	}
	if next.Nodes == nil {
		next.Nodes = map[string]Node{}
	}
	if next.Settings == nil {
		next.Settings = Settings{}
	}
	return &next
}

// appendBounded returns a new slice with item at the end and at most limit items.
func appendBounded[T any](items []T, item T, limit int) []T {
	if over := len(items) + 1 - limit; over > 0 {
		items = items[over:]
	}
	return append(append(make([]T, 0, len(items)+1), items...), item)
}
