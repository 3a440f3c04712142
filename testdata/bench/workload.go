package main

import "fmt"

// workload is one kind of load and what codis must reach at it.
type workload struct {
	name  string
	title string
	// requests is how many redis-benchmark sends a round.
	requests int
	// keys is the size of the keyspace, size that of a value in bytes.
	keys, size int
	pipeline   int
	// test is a built-in test of redis-benchmark; command is used when it is empty.
	test    string
	command []string
	goal    goal
}

// goal is codis relative to twemproxy; 0 means no goal.
type goal struct {
	maxCPU float64 // CPU per operation, at most
	minOps float64 // operations a second, at least
	maxP99 float64 // latency at the 99th percentile, at most
}

func workloads(o options) []workload {
	n := o.requests
	single := goal{maxCPU: 1.0, minOps: 1.0, maxP99: 1.1}
	pipelined := goal{maxCPU: 0.35, minOps: 2.0}
	multi := goal{maxCPU: 0.7}
	big := goal{minOps: 1.0}
	mget := []string{"MGET"}
	for range 10 {
		mget = append(mget, "key:__rand_int__")
	}
	list := []workload{
		{name: "get-p1", title: "GET 64 B", test: "get", requests: n, keys: 10_000, size: 64, pipeline: 1, goal: single},
		{name: "set-p1", title: "SET 64 B", test: "set", requests: n, keys: 10_000, size: 64, pipeline: 1, goal: single},
		{name: "get-p16", title: "GET 64 B, pipeline 16", test: "get", requests: 5 * n, keys: 10_000, size: 64, pipeline: 16, goal: pipelined},
		{name: "set-p16", title: "SET 64 B, pipeline 16", test: "set", requests: 5 * n, keys: 10_000, size: 64, pipeline: 16, goal: pipelined},
		{name: "mget", title: "MGET 10 keys of 64 B", command: mget, requests: n / 2, keys: 10_000, size: 64, pipeline: 1, goal: multi},
		{name: "mset", title: "MSET 10 keys of 64 B", test: "mset", requests: n / 2, keys: 10_000, size: 64, pipeline: 1, goal: multi},
		{name: "get-1k", title: "GET 1 KB", test: "get", requests: n, keys: 10_000, size: 1 << 10, pipeline: 1, goal: big},
		{name: "set-1k", title: "SET 1 KB", test: "set", requests: n, keys: 10_000, size: 1 << 10, pipeline: 1, goal: big},
		{name: "get-64k", title: "GET 64 KB", test: "get", requests: n / 10, keys: 500, size: 64 << 10, pipeline: 1, goal: big},
		{name: "set-64k", title: "SET 64 KB", test: "set", requests: n / 10, keys: 500, size: 64 << 10, pipeline: 1, goal: big},
	}
	return list
}

// load is what redis-benchmark is told for one round.
func (w workload) load(clients int) []string {
	args := []string{"-c", fmt.Sprint(clients), "-n", fmt.Sprint(w.requests), "-r", fmt.Sprint(w.keys),
		"-d", fmt.Sprint(w.size), "-P", fmt.Sprint(w.pipeline)}
	if w.test != "" {
		return append(args, "-t", w.test)
	}
	return append(args, w.command...)
}

// fill is what redis-benchmark is told to write the keys before they are read:
// it picks keys at random, and 8 writes a key leave one in 3000 unwritten.
func (w workload) fill() []string {
	return []string{"-c", "20", "-n", fmt.Sprint(8 * w.keys), "-r", fmt.Sprint(w.keys),
		"-d", fmt.Sprint(w.size), "-P", "4", "-t", "set"}
}
