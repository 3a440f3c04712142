package router

// fifo is a ring of requests that grows by doubling: what a backend connection
// owes, oldest first.
type fifo struct {
	ring       []*request // length is a power of two
	head, size int
}

func (f *fifo) len() int { return f.size }

func (f *fifo) push(q *request) {
	if f.size == len(f.ring) {
		f.grow()
	}
	f.ring[(f.head+f.size)&(len(f.ring)-1)] = q
	f.size++
}

// pop takes the oldest request; nil when there is none.
func (f *fifo) pop() *request {
	if f.size == 0 {
		return nil
	}
	q := f.ring[f.head]
	f.ring[f.head] = nil
	f.head = (f.head + 1) & (len(f.ring) - 1)
	f.size--
	return q
}

// peek returns the oldest request without taking it; nil when there is none.
func (f *fifo) peek() *request {
	if f.size == 0 {
		return nil
	}
	return f.ring[f.head]
}

func (f *fifo) grow() {
	bigger := make([]*request, max(64, 2*len(f.ring)))
	n := copy(bigger, f.ring[f.head:])
	copy(bigger[n:], f.ring[:f.head])
	f.ring, f.head = bigger, 0
}
