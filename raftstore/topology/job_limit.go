package topology

import "fmt"

// JobLimit sets how many keys and bytes a second an unfinished job may move; 0: what
// the settings say applies.
type JobLimit struct {
	ID             uint64 `json:"id"`
	KeysPerSecond  int64  `json:"keys_per_second"`
	BytesPerSecond int64  `json:"bytes_per_second"`
}

func (b JobLimit) word() string { return "job-limit" }

func (b JobLimit) describe(*State) string {
	limit := func(n int64, of string) string {
		if n == 0 {
			return "as many " + of + " as the settings allow"
		}
		return fmt.Sprintf("%d %s a second", n, of)
	}
	return fmt.Sprintf("job %d may move %s, %s", b.ID, limit(b.KeysPerSecond, "keys"), limit(b.BytesPerSecond, "bytes"))
}

func (b JobLimit) apply(s *State, _ Command, _ uint64) *Error {
	j, err := s.unfinished(b.ID)
	if err != nil {
		return err
	}
	if b.KeysPerSecond < 0 || b.BytesPerSecond < 0 {
		return refuse(CodeBadArg, "a rate can't be below 0")
	}
	j.Options.KeysPerSecond, j.Options.BytesPerSecond = b.KeysPerSecond, b.BytesPerSecond
	s.Jobs[j.ID] = j
	return nil
}
