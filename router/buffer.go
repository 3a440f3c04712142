package router

import "math/bits"

// Buffer classes are powers of two from 512 bytes to 1 MB; what is larger is
// made for one use and left to the garbage collector.
const (
	minBufferBits = 9
	maxBufferBits = 20
	// freePerClass bounds what a class keeps, in bytes.
	freePerClass = 4 << 20
)

// bufferPool lends byte buffers to one event loop. Sessions and connections
// hold a buffer only while bytes are pending, which is what keeps an idle
// connection small. It is not safe for concurrent use: each loop owns one.
type bufferPool struct {
	free [maxBufferBits + 1][][]byte
	// low is the fewest free buffers that a class had since the last trim: that
	// many were not needed.
	low [maxBufferBits + 1]int
	// lent is the capacity in bytes of all buffers that are out.
	lent int64
}

// get lends an empty buffer with room for at least n bytes.
func (p *bufferPool) get(n int) []byte {
	class := max(bits.Len(uint(max(n, 1)-1)), minBufferBits)
	if class > maxBufferBits {
		p.lent += int64(n)
		return make([]byte, 0, n)
	}
	p.lent += 1 << class
	free := p.free[class]
	if len(free) == 0 {
		return make([]byte, 0, 1<<class)
	}
	last := len(free) - 1
	b := free[last]
	free[last] = nil
	p.free[class] = free[:last]
	p.low[class] = min(p.low[class], last)
	return b
}

// put takes a buffer back; nil is fine. The caller must not use it again.
func (p *bufferPool) put(b []byte) {
	size := cap(b)
	if size == 0 {
		return
	}
	p.lent -= int64(size)
	class := bits.Len(uint(size - 1))
	if class > maxBufferBits || (len(p.free[class])+1)<<class > freePerClass {
		return
	}
	p.free[class] = append(p.free[class], b[:0])
}

// append is the append of the language with room from the pool: the returned
// buffer replaces b, which may have gone back.
func (p *bufferPool) append(b, data []byte) []byte {
	return append(p.grow(b, len(data)), data...)
}

// grow makes room for n more bytes. Beyond the classes it doubles, so that a
// value that arrives in pieces costs its own size in copies, not its square.
func (p *bufferPool) grow(b []byte, n int) []byte {
	if len(b)+n <= cap(b) {
		return b
	}
	bigger := p.get(max(len(b)+n, 2*cap(b)))
	bigger = append(bigger, b...)
	p.put(b)
	return bigger
}

// trim drops the buffers that nobody needed since the last trim.
func (p *bufferPool) trim() {
	for class := minBufferBits; class <= maxBufferBits; class++ {
		free := p.free[class]
		keep := len(free) - p.low[class]
		clear(free[keep:])
		p.free[class] = free[:keep]
		p.low[class] = keep
	}
}
