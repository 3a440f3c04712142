package command

// Family is a bounded set of labels for metrics: a command's own name would
// make too many series, and a client could make more of them.
type Family uint8

const (
	FamilyOther Family = iota
	FamilyString
	FamilyBitmap
	FamilyHash
	FamilyList
	FamilySet
	FamilySortedSet
	FamilyStream
	FamilyGeo
	FamilyHyperLogLog
	FamilyVector
	FamilyGeneric
	FamilyScripting
	FamilyPubSub
	FamilyTransactions
	FamilyConnection
	FamilyServer
	FamilyCluster
	FamilyCodis

	// NumFamilies is the size of an array that is indexed by Family.
	NumFamilies = int(FamilyCodis) + 1
)

// familyNames are the server's own group names in COMMAND DOCS, in order.
var familyNames = [...]string{
	"other", "string", "bitmap", "hash", "list", "set", "sorted-set", "stream",
	"geo", "hyperloglog", "vector_set", "generic", "scripting", "pubsub",
	"transactions", "connection", "server", "cluster", "codis",
}

func (f Family) String() string { return nameOf(familyNames[:], int(f)) }

// familyOf returns the family of a group name, FamilyOther for one that is
// not known here.
func familyOf(group string) Family {
	for i, name := range familyNames {
		if name == group {
			return Family(i)
		}
	}
	return FamilyOther
}
