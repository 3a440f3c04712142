package fence

import "strings"

// Owner is whose a connection to a redis-server is, by its name there (CLIENT
// SETNAME): the leader ends those of a node whose lease has run out, a new process
// of a node those of its predecessors.
type Owner struct {
	// Node is the node's ID, Token its process's own.
	Node, Token string
}

const ownerPrefix = "codis:"

// Name is what the connection is called.
func (o Owner) Name() string { return ownerPrefix + o.Node + "@" + o.Token }

// ParseOwner reads a connection's name; false for one that no node has given. Older
// processes gave no token.
func ParseOwner(name string) (Owner, bool) {
	rest, ok := strings.CutPrefix(name, ownerPrefix)
	if !ok {
		return Owner{}, false
	}
	node, token, _ := strings.Cut(rest, "@")
	return Owner{Node: node, Token: token}, true
}
