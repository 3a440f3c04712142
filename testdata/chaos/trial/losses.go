package trial

// losses are the acknowledged writes that failovers have taken back, as registers,
// objects and fleeting keys show it.
type losses struct {
	all int
	// of counts them by turn, where only one can have done it.
	of map[uint64]int
}

// leastBytes is less than a lost write takes in a stream of replication: "$3", a key,
// and line ends. A DEL of many keys is as many writes.
const leastBytes = 12

// lose counts writes that one of the turns has lost.
func (t *trial) lose(n int, turns []turn) {
	t.losses.all += n
	if len(turns) == 1 {
		if t.losses.of == nil {
			t.losses.of = map[uint64]int{}
		}
		t.losses.of[turns[0].epoch] += n
	}
}

// checkLosses compares what is lost with what the cluster has said about it.
func (t *trial) checkLosses() {
	if t.opt.Durability > 0 && t.losses.all > 0 {
		t.rec.found(Lost, nil, "%d writes that %d replicas had acknowledged are lost", t.losses.all, t.opt.Durability)
	}
	for _, turn := range t.turns {
		t.rec.event("%v; %d acknowledged writes were lost", turn, t.losses.of[turn.epoch])
		if n := t.losses.of[turn.epoch]; turn.measured && turn.lost >= 0 && int64(n)*leastBytes > turn.lost {
			t.rec.found(Lost, nil, "%d acknowledged writes are lost, which is more than CODIS.HISTORY tells: %v", n, turn)
		}
	}
}

// reported is what the history says of all failovers: bytes in all, and of how many
// it can't tell.
func (t *trial) reported() (bytes int64, unknown int) {
	for _, turn := range t.turns {
		switch {
		case !turn.lossy():
		case turn.measured && turn.lost >= 0:
			bytes += turn.lost
		default:
			unknown++
		}
	}
	return bytes, unknown
}
