package failover

import (
	"fmt"
	"strings"
	"time"
)

// Vote is what a voter under lease has reported: who is silent, in its eyes.
type Vote struct {
	Node string
	Down []Down
}

// Poll is the votes of one moment.
type Poll struct {
	// Voters is the number of voters of the cluster, whether they vote here or not.
	Voters int
	// Votes are those of voters under lease that have reported to this leader.
	Votes []Vote
}

// suspectFactor times down-after is for how long a voter to which most masters fell
// silent at once is suspected to be cut off itself. No condition that keeps a group
// without a master lasts for ever (SAFETY F7).
const suspectFactor = 10

// Judgment is what a poll says of one server.
type Judgment struct {
	// Down: a majority of all voters, each under lease, says that it is silent.
	Down bool
	// Say counts them, and Needed is the majority.
	Say, Needed int
	// Suspect are voters that say so, but to whom most masters are silent at once:
	// they may be cut off themselves, and do not count.
	Suspect []string
}

// String is the judgment for people.
func (v Judgment) String() string {
	text := fmt.Sprintf("%d of the %d voters needed say that it is down", v.Say, v.Needed)
	if len(v.Suspect) > 0 {
		text += fmt.Sprintf("; to %s most masters fell silent at once, so their votes do not count yet", strings.Join(v.Suspect, ", "))
	}
	return text
}

// Judge says whether a server is down. masters are those of all groups with slots.
// It is pure.
func (p Poll) Judge(addr string, masters []string, downAfter time.Duration) Judgment {
	v := Judgment{Needed: p.Voters/2 + 1}
	for _, vote := range p.Votes {
		if vote.silence(addr) < downAfter {
			continue
		}
		if vote.suspect(masters, downAfter) {
			v.Suspect = append(v.Suspect, vote.Node)
			continue
		}
		v.Say++
	}
	v.Down = v.Say >= v.Needed
	return v
}

func (v Vote) silence(addr string) time.Duration {
	for _, d := range v.Down {
		if d.Addr == addr {
			return time.Duration(d.MS) * time.Millisecond
		}
	}
	return 0
}

// suspect says whether most of several masters have fallen silent to this voter of
// late. Half of the time that makes a server down is enough here: those that died
// together are not found silent at the same moment.
func (v Vote) suspect(masters []string, downAfter time.Duration) bool {
	silent := 0
	for _, addr := range masters {
		if s := v.silence(addr); s >= downAfter/2 && s < suspectFactor*downAfter {
			silent++
		}
	}
	return silent > 1 && 2*silent > len(masters)
}
