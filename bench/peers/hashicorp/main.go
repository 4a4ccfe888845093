// Command hashicorp-peer is HashiCorp's raft with its bolt store, its file snapshots and its TCP transport. It is driven
// over its standard input (bench/peers/README.md).
package main

import "polyraft.bench/driver"

func main() { driver.Main(&peer{}) }
