package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/etcdserver/api/rafthttp"
	stats "go.etcd.io/etcd/server/v3/etcdserver/api/v2stats"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"
)

// applyReport is told, on the ready loop, what a committed write came to.
type applyReport func(id requestID, result outcome)

// node is one member: etcd's raft, WAL, snapshots and rafthttp around the state machine.
type node struct {
	config    *config
	disk      *disk
	raft      raft.Node
	transport *rafthttp.Transport
	members   *members
	report    applyReport

	// Of the ready loop.
	confState     *raftpb.ConfState
	snapshotIndex uint64
	// Ticks until this member ends after its removal; 0 while it is a member.
	leavingTicks int

	leader atomic.Uint64
	role   atomic.Int64

	mutex   sync.Mutex
	state   *state
	applied uint64
	waiters waiters

	snapshots chan chan snapshotResult
	stopped   chan struct{}
	stop      chan struct{}
}

type snapshotResult struct {
	index uint64
	err   error
}

func startNode(c *config, logger *zap.Logger, report applyReport) (*node, error) {
	d, err := openDisk(c, logger)
	if err != nil {
		return nil, err
	}
	n := &node{
		config: c, disk: d, members: newMembers(), report: report, state: newState(),
		confState: &raftpb.ConfState{}, waiters: newWaiters(),
		snapshots: make(chan chan snapshotResult), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	if err := n.startTransport(logger); err != nil {
		return nil, err
	}
	if d.snapshot != nil {
		if err := n.restore(d.snapshot); err != nil {
			return nil, err
		}
	}
	n.startRaft()
	go n.run()
	return n, nil
}

func (n *node) startTransport(logger *zap.Logger) error {
	urls, err := types.NewURLs([]string{n.config.urlOf(n.config.ID)})
	if err != nil {
		return err
	}
	own := types.ID(n.config.ID)
	tls := transport.TLSInfo{
		CertFile:       n.config.PeerTLS.CertFile,
		KeyFile:        n.config.PeerTLS.KeyFile,
		TrustedCAFile:  n.config.PeerTLS.CAFile,
		ClientCertAuth: true,
		Logger:         logger,
	}
	n.transport = &rafthttp.Transport{
		Logger:      logger,
		DialTimeout: time.Second,
		TLSInfo:     tls,
		ID:          own,
		URLs:        urls,
		ClusterID:   types.ID(n.config.ClusterID),
		Raft:        n,
		Snapshotter: n.disk.snapshotter,
		ServerStats: stats.NewServerStats(own.String(), own.String()),
		LeaderStats: stats.NewLeaderStats(zap.NewNop(), own.String()),
		ErrorC:      make(chan error, 8),
	}
	if err := n.transport.Start(); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", urls[0].Host)
	if err != nil {
		return err
	}
	if urls[0].Scheme == "https" {
		if listener, err = transport.NewTLSListener(listener, &tls); err != nil {
			return err
		}
	}
	go func() { fail(http.Serve(listener, n.transport.Handler())) }()
	return nil
}

func (n *node) startRaft() {
	c := &raft.Config{
		ID:                        n.config.ID,
		ElectionTick:              n.config.ElectionTick,
		HeartbeatTick:             n.config.HeartbeatTick,
		Storage:                   n.disk.storage,
		MaxSizePerMsg:             n.config.MaxSizePerMsg,
		MaxCommittedSizePerReady:  math.MaxUint32,
		MaxInflightMsgs:           n.config.MaxInflightMsgs,
		MaxUncommittedEntriesSize: 1 << 30,
		PreVote:                   n.config.PreVote,
		CheckQuorum:               n.config.CheckQuorum,
		Logger:                    raftLogger{},
	}
	// The first messages need to go somewhere before the configuration entries are applied (again).
	for _, peer := range n.config.Peers {
		if peer.ID != n.config.ID && !n.config.Join && n.disk.snapshot == nil {
			n.transport.AddPeer(types.ID(peer.ID), []string{peer.URL})
		}
	}
	if !n.disk.isNew || n.config.Join {
		n.raft = raft.RestartNode(c)
		return
	}
	peers := make([]raft.Peer, len(n.config.Peers))
	for i, peer := range n.config.Peers {
		peers[i] = raft.Peer{ID: peer.ID}
		if !n.config.withoutURLs {
			peers[i].Context = []byte(peer.URL)
		}
	}
	n.raft = raft.StartNode(c, peers)
}

// ---- What rafthttp asks

func (n *node) Process(ctx context.Context, message *raftpb.Message) error {
	if n.members.isRemoved(message.GetFrom()) {
		return errRemoved{}
	}
	return n.raft.Step(ctx, message)
}

func (n *node) IsIDRemoved(id uint64) bool { return n.members.isRemoved(id) }

func (n *node) ReportUnreachable(id uint64) { n.raft.ReportUnreachable(id) }

func (n *node) ReportSnapshot(id uint64, status raft.SnapshotStatus) {
	n.raft.ReportSnapshot(id, status)
}

// ---- The ready loop

func (n *node) run() {
	ticker := time.NewTicker(time.Duration(n.config.TickMs) * time.Millisecond)
	defer ticker.Stop()
	defer close(n.stopped)
	for {
		select {
		case <-ticker.C:
			n.raft.Tick()
			if n.leavingTicks == 1 {
				return
			}
			if n.leavingTicks > 0 {
				n.leavingTicks--
			}
		case ready := <-n.raft.Ready():
			n.handle(&ready)
		case answer := <-n.snapshots:
			index, err := n.takeSnapshot()
			answer <- snapshotResult{index, err}
		case err := <-n.transport.ErrorC:
			// Only ever: a peer says that this member is removed. It may know already.
			if n.leavingTicks == 0 {
				say("removed 0 %v", err)
			}
			return
		case <-n.stop:
			return
		}
	}
}

// handle works one Ready off.
func (n *node) handle(ready *raft.Ready) {
	n.follow(ready.SoftState)
	if !raft.IsEmptySnap(ready.Snapshot) {
		fail(n.disk.saveSnapshot(ready.Snapshot))
	}
	fail(n.disk.wal.Save(ready.HardState, ready.Entries))
	if !raft.IsEmptySnap(ready.Snapshot) {
		fail(n.disk.storage.ApplySnapshot(ready.Snapshot))
		fail(n.restore(ready.Snapshot))
	}
	fail(n.disk.storage.Append(ready.Entries))
	for _, message := range ready.Messages {
		if message.GetType() == raftpb.MsgSnap {
			// As raftexample does it: the newest configuration, whatever the snapshot's index.
			message.Snapshot.Metadata.ConfState = proto.Clone(n.confState).(*raftpb.ConfState)
		}
	}
	n.transport.Send(ready.Messages)
	n.waiters.read(ready.ReadStates)
	n.applyAll(ready.CommittedEntries)
	if due := n.config.SnapCount; due > 0 && !n.config.ManualSnap && n.applied-n.snapshotIndex >= due {
		_, err := n.takeSnapshot()
		fail(err)
	}
	n.raft.Advance()
}

func (n *node) follow(soft *raft.SoftState) {
	if soft == nil {
		return
	}
	if before := n.role.Swap(int64(soft.RaftState)); before != int64(soft.RaftState) {
		say("role %s", roleName(soft.RaftState))
	}
	if before := n.leader.Swap(soft.Lead); before != soft.Lead {
		say("leader %d", soft.Lead)
	}
}

func (n *node) applyAll(entries []*raftpb.Entry) {
	for _, entry := range entries {
		if entry.GetIndex() <= n.applied {
			continue
		}
		switch entry.GetType() {
		case raftpb.EntryNormal:
			n.applyWrite(entry)
		case raftpb.EntryConfChange:
			change := &raftpb.ConfChange{}
			fail(proto.Unmarshal(entry.GetData(), change))
			n.confState = n.raft.ApplyConfChange(change)
			n.applySingle(change.AsV2().GetChanges()[0], string(change.GetContext()))
			n.waiters.change(change.GetId(), entry.GetIndex())
		case raftpb.EntryConfChangeV2:
			change := &raftpb.ConfChangeV2{}
			fail(proto.Unmarshal(entry.GetData(), change))
			n.confState = n.raft.ApplyConfChange(change)
			for _, single := range change.GetChanges() {
				n.applySingle(single, "")
			}
		}
		n.advance(entry.GetIndex())
		if n.members.isRemoved(n.config.ID) && n.leavingTicks == 0 {
			say("removed %d", entry.GetIndex())
			// Long enough for the others to learn that the removal is committed.
			n.leavingTicks = n.config.ElectionTick
		}
	}
}

func (n *node) applyWrite(entry *raftpb.Entry) {
	if len(entry.GetData()) == 0 {
		return
	}
	c, err := decodeCommand(entry.GetData())
	if err != nil {
		fail(fmt.Errorf("entry %d: %w", entry.GetIndex(), err))
	}
	n.mutex.Lock()
	result := n.state.apply(entry.GetIndex(), c)
	n.mutex.Unlock()
	n.report(c.id, result)
}

func (n *node) advance(index uint64) {
	n.mutex.Lock()
	n.applied = index
	n.mutex.Unlock()
	n.waiters.applied(index)
}

func (n *node) restore(snapshot *raftpb.Snapshot) error {
	restored, err := decodeState(snapshot.GetData())
	if err != nil {
		return err
	}
	index := snapshot.GetMetadata().GetIndex()
	n.mutex.Lock()
	n.state = restored
	n.mutex.Unlock()
	n.confState = snapshot.GetMetadata().GetConfState()
	n.snapshotIndex = index
	n.adoptMembers(n.confState)
	n.advance(index)
	say("restored %d", index)
	return nil
}

func (n *node) takeSnapshot() (uint64, error) {
	if n.applied == n.snapshotIndex {
		return n.applied, nil
	}
	n.mutex.Lock()
	data := n.state.encode()
	n.mutex.Unlock()
	snapshot, err := n.disk.storage.CreateSnapshot(n.applied, n.confState, data)
	if err != nil {
		return 0, err
	}
	if err := n.disk.saveSnapshot(snapshot); err != nil {
		return 0, err
	}
	n.snapshotIndex = n.applied
	first, err := n.disk.storage.FirstIndex()
	if err != nil {
		return 0, err
	}
	if kept := n.config.SnapshotEntries; n.applied > kept && n.applied-kept >= first {
		if err := n.disk.storage.Compact(n.applied - kept); err != nil {
			return 0, err
		}
	}
	say("snapshot %d", n.applied)
	return n.applied, nil
}

// ---- Requests

func (n *node) saveSnapshot() (uint64, error) {
	answer := make(chan snapshotResult, 1)
	select {
	case n.snapshots <- answer:
		result := <-answer
		return result.index, result.err
	case <-n.stopped:
		return 0, raft.ErrStopped
	}
}

func (n *node) propose(ctx context.Context, data []byte) error {
	if n.leader.Load() == raft.None {
		return errNoLeader
	}
	return n.raft.Propose(ctx, data)
}

// changeMember waits until the change is applied here.
func (n *node) changeMember(ctx context.Context, kind raftpb.ConfChangeType, id uint64, url string) (uint64, error) {
	number, applied := n.waiters.awaitChange()
	defer n.waiters.forgetChange(number)
	change := &raftpb.ConfChange{Id: proto.Uint64(number), Type: kind.Enum(), NodeId: proto.Uint64(id)}
	if url != "" {
		change.Context = []byte(url)
	}
	if err := n.raft.ProposeConfChange(ctx, change); err != nil {
		return 0, err
	}
	return await(ctx, applied)
}

// readIndex waits until the state holds everything that was committed at the call.
func (n *node) readIndex(ctx context.Context) error {
	number, confirmed := n.waiters.awaitRead()
	defer n.waiters.forgetRead(number)
	if err := n.raft.ReadIndex(ctx, binary.BigEndian.AppendUint64(nil, number)); err != nil {
		return err
	}
	index, err := await(ctx, confirmed)
	if err != nil {
		return err
	}
	_, err = await(ctx, n.waiters.awaitApplied(index))
	return err
}

// transfer waits until `to` leads, as far as this node can see.
func (n *node) transfer(ctx context.Context, to uint64) error {
	for {
		if n.leader.Load() == to {
			return nil
		}
		if lead := n.leader.Load(); lead != raft.None {
			n.raft.TransferLeadership(ctx, lead, to)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(n.config.TickMs*n.config.ElectionTick) * time.Millisecond):
		}
	}
}

func (n *node) close() {
	close(n.stop)
	<-n.stopped
	n.raft.Stop()
	n.transport.Stop()
	fail(n.disk.wal.Close())
}
