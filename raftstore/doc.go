// Package raftstore replicates the topology among the nodes: it runs
// hashicorp/raft over the authenticated port of package peer, applies committed
// commands to topology.State, publishes the result, and keeps Raft's own
// configuration in step with the nodes of the table. It decides nothing about
// slots, groups or servers: that is package topology. main opens one Store a
// node; the router reads State, the admin operations call Propose.
package raftstore
