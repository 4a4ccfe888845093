// Command httpcheck is a peer made of etcd's own rafthttp, for tests of polyraft's transport.
//
// It prints every message that it receives as one line of hexadecimal (raftpb.Message) and sends it back to its
// sender. Lines on standard input are raftpb messages in hexadecimal that it sends. It ends with its input.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/etcdserver/api/rafthttp"
	stats "go.etcd.io/etcd/server/v3/etcdserver/api/v2stats"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"
)

type node struct {
	transport *rafthttp.Transport
	echo      bool
	mutex     sync.Mutex
}

func (n *node) say(format string, values ...any) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	fmt.Printf(format+"\n", values...)
}

func (n *node) Process(_ context.Context, message *raftpb.Message) error {
	encoded, err := proto.Marshal(message)
	if err != nil {
		return err
	}
	if message.GetType() == raftpb.MsgSnap {
		n.say("snapshot %d %d", message.GetSnapshot().GetMetadata().GetIndex(), len(message.GetSnapshot().GetData()))
		return nil
	}
	n.say("message %s", hex.EncodeToString(encoded))
	if n.echo {
		answer := proto.Clone(message).(*raftpb.Message)
		answer.From, answer.To = message.To, message.From
		n.transport.Send([]*raftpb.Message{answer})
	}
	return nil
}

func (n *node) IsIDRemoved(uint64) bool { return false }

func (n *node) ReportUnreachable(id uint64) { n.say("unreachable %d", id) }

func (n *node) ReportSnapshot(id uint64, status raft.SnapshotStatus) {
	n.say("snapshot-status %d %t", id, status == raft.SnapshotFinish)
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	id := flag.Uint64("id", 2, "own id")
	cluster := flag.Uint64("cluster", 1, "cluster id")
	own := flag.String("url", "", "own URL")
	peers := flag.String("peers", "", "id=url, separated by commas")
	echo := flag.Bool("echo", true, "send received messages back")
	flag.Parse()

	urls, err := types.NewURLs([]string{*own})
	fail(err)
	n := &node{echo: *echo}
	n.transport = &rafthttp.Transport{
		Logger:      zap.NewNop(),
		DialTimeout: time.Second,
		ID:          types.ID(*id),
		URLs:        urls,
		ClusterID:   types.ID(*cluster),
		Raft:        n,
		ServerStats: stats.NewServerStats("httpcheck", fmt.Sprint(*id)),
		LeaderStats: stats.NewLeaderStats(zap.NewNop(), fmt.Sprint(*id)),
		ErrorC:      make(chan error, 1),
	}
	fail(n.transport.Start())
	listener, err := net.Listen("tcp", urls[0].Host)
	fail(err)
	go func() { fail(http.Serve(listener, n.transport.Handler())) }()
	for _, peer := range strings.Split(*peers, ",") {
		key, url, found := strings.Cut(peer, "=")
		if !found {
			continue
		}
		peerID, err := types.IDFromString(key)
		fail(err)
		n.transport.AddPeer(peerID, []string{url})
	}
	n.say("ready")

	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64*1024*1024)
	for lines.Scan() {
		encoded, err := hex.DecodeString(lines.Text())
		fail(err)
		message := &raftpb.Message{}
		fail(proto.Unmarshal(encoded, message))
		n.transport.Send([]*raftpb.Message{message})
	}
}
