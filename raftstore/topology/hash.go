package topology

import (
	"bytes"
	"encoding/binary"
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
	if len(key) >= vectorLength {
		return int(crc32.ChecksumIEEE(key) % SlotCount)
	}
	return int(shortCRC(key) % SlotCount)
}

// vectorLength is where hash/crc32 begins to use vector instructions. Below, it
// goes byte by byte up to 15 bytes, which is where most keys are, so short keys
// are hashed here, eight and four bytes at a time.
const vectorLength = 64

func shortCRC(key []byte) uint32 {
	t := &crcTables
	crc := ^uint32(0)
	for len(key) >= 8 {
		low, high := crc^binary.LittleEndian.Uint32(key), binary.LittleEndian.Uint32(key[4:])
		crc = t[7][low&0xff] ^ t[6][low>>8&0xff] ^ t[5][low>>16&0xff] ^ t[4][low>>24] ^
			t[3][high&0xff] ^ t[2][high>>8&0xff] ^ t[1][high>>16&0xff] ^ t[0][high>>24]
		key = key[8:]
	}
	if len(key) >= 4 {
		low := crc ^ binary.LittleEndian.Uint32(key)
		crc = t[3][low&0xff] ^ t[2][low>>8&0xff] ^ t[1][low>>16&0xff] ^ t[0][low>>24]
		key = key[4:]
	}
	for _, b := range key {
		crc = t[0][byte(crc)^b] ^ crc>>8
	}
	return ^crc
}

// crcTables[n][b] is the CRC of byte b with n zero bytes behind it.
var crcTables = makeCRCTables()

func makeCRCTables() (tables [8][256]uint32) {
	tables[0] = *crc32.IEEETable
	for b := range 256 {
		for n := 1; n < len(tables); n++ {
			crc := tables[n-1][b]
			tables[n][b] = tables[0][byte(crc)] ^ crc>>8
		}
	}
	return tables
}
