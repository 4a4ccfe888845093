// Command etcd-peer is etcd's raft with etcd's write-ahead log and snapshot files, a MemoryStorage and rafthttp. It is
// driven over its standard input (bench/peers/README.md).
package main

import (
	"flag"

	"polyraft.bench/driver"
)

func main() {
	isEasyraft := flag.Bool("easyraft", false, "arrange the parts as easyraft does, else as etcd's server does")
	flag.Parse()
	driver.Main(&peer{isEasyraft: *isEasyraft})
}
