package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/etcdserver/api/rafthttp"
	stats "go.etcd.io/etcd/server/v3/etcdserver/api/v2stats"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"

	"polyraft.bench/driver"
)

// receiver is rafthttp's way into raft.
type receiver struct{ node raft.Node }

func (r receiver) Process(ctx context.Context, message *raftpb.Message) error {
	return r.node.Step(ctx, message)
}
func (r receiver) IsIDRemoved(uint64) bool     { return false }
func (r receiver) ReportUnreachable(id uint64) { r.node.ReportUnreachable(id) }
func (r receiver) ReportSnapshot(id uint64, status raft.SnapshotStatus) {
	r.node.ReportSnapshot(id, status)
}

// startTransport listens on the own URL and connects to the other members.
func startTransport(logger *zap.Logger, config *driver.Config, node raft.Node, onError func(error)) (*rafthttp.Transport, error) {
	urls, err := types.NewURLs([]string{config.Own().URL})
	if err != nil {
		return nil, err
	}
	transport := &rafthttp.Transport{
		Logger:      logger,
		DialTimeout: time.Second,
		ID:          types.ID(config.ID),
		URLs:        urls,
		ClusterID:   types.ID(config.ClusterID),
		Raft:        receiver{node},
		ServerStats: stats.NewServerStats("bench", fmt.Sprint(config.ID)),
		LeaderStats: stats.NewLeaderStats(logger, fmt.Sprint(config.ID)),
		ErrorC:      make(chan error, 1),
	}
	if err := transport.Start(); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", urls[0].Host)
	if err != nil {
		return nil, err
	}
	go func() { onError(http.Serve(listener, transport.Handler())) }()
	go func() { onError(<-transport.ErrorC) }()
	for _, member := range config.Peers {
		if member.ID != config.ID {
			transport.AddPeer(types.ID(member.ID), []string{member.URL})
		}
	}
	return transport, nil
}
