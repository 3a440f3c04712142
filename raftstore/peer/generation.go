package peer

import (
	"strconv"
	"strings"
)

// A cluster that was recovered from one directory, after its majority was lost, has
// another ID than before: the old one with "-r" and a number behind it. So its old
// members, which may still come back, are strangers to it, and yet it can tell them
// what has become of their cluster.
const generationMark = "-r"

// NextGeneration returns the cluster ID after one more recovery.
func NextGeneration(cluster string) string {
	origin, number := generation(cluster)
	return origin + generationMark + strconv.Itoa(number+1)
}

// generation takes a cluster ID apart. A cluster that was never recovered has the
// number 0.
func generation(cluster string) (origin string, number int) {
	at := strings.LastIndex(cluster, generationMark)
	if at < 0 {
		return cluster, 0
	}
	number, err := strconv.Atoi(cluster[at+len(generationMark):])
	if err != nil || number < 1 {
		return cluster, 0
	}
	return cluster[:at], number
}

// RecoveredFrom says whether a cluster is a recovery of another one, directly or not.
func RecoveredFrom(cluster, old string) bool {
	origin, number := generation(cluster)
	oldOrigin, oldNumber := generation(old)
	return old != "" && origin == oldOrigin && number > oldNumber
}
