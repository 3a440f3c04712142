package topology

import "fmt"

// GroupNote is a line of the history about a group: what the leader has found or
// done that is not a change of the state.
type GroupNote struct {
	Group int    `json:"group"`
	Text  string `json:"text"`
}

func (b GroupNote) word() string { return "group-note" }

func (b GroupNote) describe(*State) string { return fmt.Sprintf("group %d: %s", b.Group, b.Text) }

func (b GroupNote) apply(s *State, c Command, _ uint64) *Error {
	_, err := s.group(b.Group, c)
	return err
}
