package topology

import (
	"bytes"
	"hash/crc32"
)

// SlotOf returns the slot of a key: CRC-32 (IEEE) of its hash tag, or of the
// whole key when it has none, modulo SlotCount. The tag is the text between the
// first '{' and the next '}'. An empty tag hashes the empty string, which is slot
// 0: Redis Cluster would hash the whole key there, Codis does not, and data of
// existing Codis clusters must stay where it is.
func SlotOf(key []byte) int {
	if open := bytes.IndexByte(key, '{'); open >= 0 {
		if length := bytes.IndexByte(key[open+1:], '}'); length >= 0 {
			key = key[open+1 : open+1+length]
		}
	}
	return int(crc32.ChecksumIEEE(key) % SlotCount)
}
