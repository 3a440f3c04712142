package failover

import "codis/raftstore/topology"

// TargetFor is a server of a group with the credentials that count for it: the
// group's own, else the cluster's settings.
func TargetFor(s *topology.State, group int, addr string) Target {
	if g, ok := s.Groups[group]; ok && g.Auth != nil {
		return Target{Addr: addr, Auth: *g.Auth}
	}
	return Target{Addr: addr, Auth: topology.Credentials{
		User: s.Settings.Text("backend-user"), Password: s.Settings.Text("backend-password"),
	}}
}

// Targets is every server of every group, for Prober.SetServers.
func Targets(s *topology.State) []Target {
	var targets []Target
	for id, g := range s.Groups {
		for _, server := range g.Servers {
			targets = append(targets, TargetFor(s, id, server.Addr))
		}
	}
	return targets
}
