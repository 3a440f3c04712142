package admin

import (
	"cmp"
	"maps"
	"slices"
)

// sortedKeys returns the keys of m in ascending order, so that every reply and
// every export lists things in the same order.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// sorted returns a sorted copy of list.
func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }
