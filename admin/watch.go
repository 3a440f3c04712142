package admin

import "net"

// Subscribe gives a channel that gets a value after the table has changed, and what
// ends the subscription. It does not block.
func (o *Ops) Subscribe() (changed <-chan struct{}, end func()) { return o.cfg.Store.Subscribe() }

// KnownHost says whether a host name is one by which nodes of the cluster are reached,
// as they advertise it.
func (o *Ops) KnownHost(name string) bool {
	for _, n := range o.cfg.Store.State().Nodes {
		for _, addr := range []string{n.HTTPAddr, n.Addr} {
			if host, _, err := net.SplitHostPort(addr); err == nil && host == name {
				return true
			}
		}
	}
	return false
}
