module codis

go 1.26.0

require (
	github.com/anishathalye/porcupine v1.3.1 // tests: checks recorded histories for linearizability
	github.com/chromedp/cdproto v0.159.0 // tests: the words of chromedp
	github.com/chromedp/chromedp v0.23.0 // tests: drives a real browser over the page
	github.com/getkin/kin-openapi v0.152.0 // tests: holds the HTTP API against its OpenAPI document
	github.com/gomodule/redigo v1.9.3 // tests: a client that people use
	github.com/hashicorp/go-hclog v1.6.2 // the logger interface that raft wants, passed on to slog
	github.com/hashicorp/raft v1.7.3 // consensus on the table
	github.com/hashicorp/raft-boltdb/v2 v2.3.1 // raft's log on disk
	github.com/prometheus/client_golang v1.25.0 // /metrics
	github.com/prometheus/client_model v0.6.3 // tests: reads gathered metrics
	github.com/redis/go-redis/v9 v9.23.0 // tests: a client that people use
	github.com/redis/rueidis v1.0.79 // tests: a client that people use
	github.com/tidwall/redcon v1.6.2 // the CODIS.* handlers and the peers' RPC server
	github.com/urfave/cli/v2 v2.27.7 // the command line
	go.etcd.io/bbolt v1.5.0 // the node's identity and last table on disk
	golang.org/x/sys v0.49.0 // epoll, kqueue, CLOCK_BOOTTIME, the width of terminals
)

require (
	github.com/armon/go-metrics v0.4.1 // indirect
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/boltdb/bolt v1.3.1 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/cpuguy83/go-md2man/v2 v2.0.7 // indirect
	github.com/fatih/color v1.13.0 // indirect
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
	github.com/go-openapi/jsonpointer v0.22.5 // indirect
	github.com/go-openapi/swag/jsonname v0.25.5 // indirect
	github.com/hashicorp/go-immutable-radix v1.0.0 // indirect
	github.com/hashicorp/go-metrics v0.5.4 // indirect
	github.com/hashicorp/go-msgpack/v2 v2.1.2 // indirect
	github.com/hashicorp/golang-lru v0.5.0 // indirect
	github.com/mattn/go-colorable v0.1.12 // indirect
	github.com/mattn/go-isatty v0.0.14 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/oasdiff/yaml v0.1.1 // indirect
	github.com/oasdiff/yaml3 v0.0.14 // indirect
	github.com/prometheus/common v0.72.0 // indirect
	github.com/prometheus/procfs v0.22.0 // indirect
	github.com/russross/blackfriday/v2 v2.1.0 // indirect
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3 // indirect
	github.com/tidwall/btree v1.1.0 // indirect
	github.com/tidwall/match v1.1.1 // indirect
	github.com/xrash/smetrics v0.0.0-20240521201337-686a1a2994c1 // indirect
	go.uber.org/atomic v1.12.0 // indirect
	golang.org/x/text v0.42.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)
