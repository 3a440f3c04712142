package topology

import (
	"encoding/hex"
	"hash/crc32"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestSlotOfGolden compares with the answers of Codis's own server.
func TestSlotOfGolden(t *testing.T) {
	data, err := os.ReadFile("testdata/codis-slots.tsv")
	if err != nil {
		t.Fatal(err)
	}
	vectors := 0
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		key, slot, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		raw, err := hex.DecodeString(key)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		want, err := strconv.Atoi(slot)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if got := SlotOf(raw); got != want {
			t.Errorf("SlotOf(%q) = %d, want %d", raw, got, want)
		}
		vectors++
	}
	if vectors != 276 {
		t.Errorf("%d vectors, want 276", vectors)
	}
}

func TestSlotOfTags(t *testing.T) {
	for name, c := range map[string]struct{ key, same string }{
		"a tag":              {"{user}.name", "user"},
		"a tag inside":       {"x{user}y", "user"},
		"the first closing":  {"{a}b}", "a"},
		"the first opening":  {"{{a}", "{a"},
		"an empty tag":       {"x{}y", ""},
		"an empty tag first": {"{}{a}", ""},
		"no closing":         {"{user", "{user"},
		"closing first":      {"}a{b}", "b"},
	} {
		if got, want := SlotOf([]byte(c.key)), SlotOf([]byte(c.same)); got != want {
			t.Errorf("%s: SlotOf(%q) = %d, want %d, that of %q", name, c.key, got, want, c.same)
		}
	}
}

func TestSlotOfAllocates(t *testing.T) {
	key := []byte("user:{1000}:profile")
	if n := testing.AllocsPerRun(100, func() { SlotOf(key) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkSlotOf(b *testing.B) {
	for _, key := range []string{"key:000000001234", "user:{1000}:profile", strings.Repeat("k", 12), strings.Repeat("k", 100)} {
		b.Run(strconv.Itoa(len(key)), func(b *testing.B) {
			b.ReportAllocs()
			raw := []byte(key)
			for b.Loop() {
				SlotOf(raw)
			}
		})
	}
}

// TestShortCRC compares with hash/crc32 at every length on both sides of the
// border between the two ways.
func TestShortCRC(t *testing.T) {
	key := make([]byte, 2*vectorLength)
	for i := range key {
		key[i] = byte(i*131 + 7)
		if key[i] == '{' {
			key[i] = 'x'
		}
	}
	for length := range key {
		if got, want := SlotOf(key[:length]), int(crc32.ChecksumIEEE(key[:length])%SlotCount); got != want {
			t.Errorf("%d bytes: slot %d, want %d", length, got, want)
		}
	}
}
