// Command etcd-peer is a member of a raft cluster made of etcd's own packages (raft, rafthttp, wal, snap) in the
// arrangement that easyraft and etcd's raftexample have: one ready loop that writes the WAL, then sends, then applies.
// Configuration, line protocol, log entries and snapshots are those of examples-c/kv_server.c, so that both can be
// members of one cluster, serve the same client, and be compared by digest.
//
//	etcd-peer [-segment-bytes N] [-no-urls] [-log] CONFIG.json CLIENT_PORT
package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/raft/v3"
	"go.uber.org/zap"
)

type raftState = raft.StateType

func roleName(state raft.StateType) string {
	switch state {
	case raft.StateLeader:
		return "leader"
	case raft.StateCandidate:
		return "candidate"
	case raft.StatePreCandidate:
		return "pre-candidate"
	}
	return "follower"
}

// say prints one line at once.
func say(format string, values ...any) {
	fmt.Fprintf(os.Stdout, format+"\n", values...)
}

// fail ends the program on an error: a member that cannot write must not go on.
func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "etcd-peer:", err)
		os.Exit(1)
	}
}

// raftLogger keeps raft's warnings and worse.
type raftLogger struct{}

func (raftLogger) Debug(...any)                {}
func (raftLogger) Debugf(string, ...any)       {}
func (raftLogger) Info(...any)                 {}
func (raftLogger) Infof(string, ...any)        {}
func (raftLogger) Warning(v ...any)            { fmt.Fprintln(os.Stderr, v...) }
func (raftLogger) Error(v ...any)              { fmt.Fprintln(os.Stderr, v...) }
func (raftLogger) Fatal(v ...any)              { fail(fmt.Errorf("%s", fmt.Sprint(v...))) }
func (raftLogger) Panic(v ...any)              { panic(fmt.Sprint(v...)) }
func (raftLogger) Warningf(f string, v ...any) { fmt.Fprintf(os.Stderr, f+"\n", v...) }
func (raftLogger) Errorf(f string, v ...any)   { fmt.Fprintf(os.Stderr, f+"\n", v...) }
func (raftLogger) Fatalf(f string, v ...any)   { fail(fmt.Errorf(f, v...)) }
func (raftLogger) Panicf(f string, v ...any)   { panic(fmt.Sprintf(f, v...)) }

func newLogger(isWanted bool) *zap.Logger {
	if !isWanted {
		return zap.NewNop()
	}
	logger, err := zap.NewDevelopment()
	fail(err)
	return logger
}

func main() {
	segmentBytes := flag.Int64("segment-bytes", wal.SegmentSizeBytes, "size of a WAL segment")
	isLogged := flag.Bool("log", false, "etcd's own log on standard error")
	withoutURLs := flag.Bool("no-urls", false, "begin a new cluster without URLs in its log")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: etcd-peer [-segment-bytes N] [-no-urls] [-log] CONFIG.json CLIENT_PORT")
		os.Exit(2)
	}
	wal.SegmentSizeBytes = *segmentBytes
	c, err := readConfig(flag.Arg(0))
	fail(err)
	c.withoutURLs = *withoutURLs
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", flag.Arg(1)))
	fail(err)

	served := newClients()
	n, err := startNode(c, newLogger(*isLogged), served.applied)
	fail(err)
	served.node = n
	go served.serve(listener)
	// Before it says that it is ready: a test may stop it at once.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	say("ready")

	select {
	case <-signals:
	case <-n.stopped:
	}
	n.close()
}
