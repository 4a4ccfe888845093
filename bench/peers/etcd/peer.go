package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/server/v3/etcdserver/api/rafthttp"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"polyraft.bench/driver"
)

const (
	// Batches on their way to the state machine.
	applyQueueBatches = 64
	// Goroutines that propose; each waits for raft's loop, which takes what is there before it hands out the next
	// Ready.
	proposersMax = 64
	// What a leader takes in before it commits; as in etcd's example.
	uncommittedBytesMax = 1 << 30
	droppedPause        = time.Millisecond
)

type peer struct {
	// As easyraft arranges it (easyraft.go), else as etcd's server does.
	isEasyraft bool
	proposeC   chan []byte
	commitC    chan *raftpb.Entry

	config    *driver.Config
	host      *driver.Host
	node      raft.Node
	disk      *disk
	transport *rafthttp.Transport
	applyC    chan []*raftpb.Entry
	applied   atomic.Uint64
	isLeader  bool
	// A snapshot that is being saved beside the loop; its error when it is done.
	saving chan error
}

func (p *peer) Modules() []string {
	return []string{"go.etcd.io/raft/v3", "go.etcd.io/etcd/server/v3"}
}

func (p *peer) Proposers(window int) int {
	if p.isEasyraft {
		return 1
	}
	return min(window, proposersMax)
}

// Propose tries again while a leader has too much that is not committed; its pages ask for that.
func (p *peer) Propose(data []byte) error {
	if p.isEasyraft {
		p.proposeC <- data
		return nil
	}
	return p.propose(data)
}

func (p *peer) propose(data []byte) error {
	for {
		err := p.node.Propose(context.Background(), data)
		if !errors.Is(err, raft.ErrProposalDropped) {
			return err
		}
		time.Sleep(droppedPause)
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "etcd-peer:", err)
		os.Exit(1)
	}
}

func (p *peer) Start(config *driver.Config, host *driver.Host) error {
	settings := zap.NewProductionConfig()
	settings.Level = zap.NewAtomicLevelAt(zap.ErrorLevel)
	logger, err := settings.Build()
	if err != nil {
		return err
	}
	disk, isOld, err := openDisk(logger, config)
	if err != nil {
		return err
	}
	raftConfig := &raft.Config{
		ID:                        config.ID,
		ElectionTick:              config.ElectionTicks,
		HeartbeatTick:             config.HeartbeatTicks,
		Storage:                   disk.memory,
		Applied:                   disk.snapshotIndex,
		MaxSizePerMsg:             config.MaxMessageBytes,
		MaxInflightMsgs:           config.MaxInflight,
		MaxUncommittedEntriesSize: uncommittedBytesMax,
		CheckQuorum:               true,
		PreVote:                   true,
		Logger:                    &raft.DefaultLogger{Logger: log.New(os.Stderr, "raft ", log.LstdFlags)},
	}
	p.config, p.host, p.disk = config, host, disk
	p.applyC = make(chan []*raftpb.Entry, applyQueueBatches)
	p.applied.Store(disk.snapshotIndex)
	if isOld {
		p.node = raft.RestartNode(raftConfig)
	} else {
		members := make([]raft.Peer, len(config.Peers))
		for i, member := range config.Peers {
			members[i] = raft.Peer{ID: member.ID}
		}
		p.node = raft.StartNode(raftConfig, members)
	}
	if p.transport, err = startTransport(logger, config, p.node, must); err != nil {
		return err
	}
	if p.isEasyraft {
		p.startEasyraft()
	} else {
		go p.apply()
	}
	go p.loop()
	return nil
}

// apply is the state machine's goroutine.
func (p *peer) apply() {
	for entries := range p.applyC {
		batch := make([][]byte, 0, len(entries))
		for _, entry := range entries {
			if entry.GetType() == raftpb.EntryNormal && len(entry.Data) != 0 {
				batch = append(batch, entry.Data)
			}
		}
		p.host.Applied(batch)
		p.applied.Store(entries[len(entries)-1].GetIndex())
	}
}

func (p *peer) loop() {
	ticker := time.NewTicker(p.config.Tick())
	for {
		select {
		case <-ticker.C:
			p.node.Tick()
		case ready := <-p.node.Ready():
			if p.isEasyraft {
				p.handleInOrder(ready)
				p.node.Advance()
				continue
			}
			p.handle(ready)
			p.node.Advance()
			p.snapshotWhenDue()
		}
	}
}

var roles = map[raft.StateType]string{
	raft.StateFollower:     "follower",
	raft.StateCandidate:    "candidate",
	raft.StateLeader:       "leader",
	raft.StatePreCandidate: "pre-candidate",
}

// handle does what etcd's server does with a Ready: the state machine works beside the loop, and a leader sends
// before it writes its own log (10.2.1 of the raft thesis), a follower after that.
func (p *peer) handle(ready raft.Ready) {
	if ready.SoftState != nil {
		p.isLeader = ready.RaftState == raft.StateLeader
		p.host.Role(roles[ready.RaftState])
	}
	hasSnapshot := !raft.IsEmptySnap(ready.Snapshot)
	if !hasSnapshot {
		p.commit(ready.CommittedEntries)
	}
	if p.isLeader {
		p.transport.Send(ready.Messages)
	}
	if hasSnapshot {
		p.waitForSaving()
		must(p.disk.saveSnapshot(ready.Snapshot))
	}
	must(p.disk.log.Save(ready.HardState, ready.Entries))
	if hasSnapshot {
		must(p.disk.log.Sync())
		must(p.disk.memory.ApplySnapshot(ready.Snapshot))
		p.disk.setSnapshot(ready.Snapshot)
		p.applied.Store(p.disk.snapshotIndex)
		p.commit(ready.CommittedEntries)
	}
	must(p.disk.memory.Append(ready.Entries))
	if !p.isLeader {
		p.transport.Send(ready.Messages)
	}
}

// commit puts changes of the membership into effect and passes all entries on to the state machine.
func (p *peer) commit(entries []*raftpb.Entry) {
	if len(entries) == 0 {
		return
	}
	p.configure(entries)
	p.applyC <- entries
}

func (p *peer) configure(entries []*raftpb.Entry) {
	for _, entry := range entries {
		switch entry.GetType() {
		case raftpb.EntryConfChange:
			change := &raftpb.ConfChange{}
			must(proto.Unmarshal(entry.Data, change))
			p.disk.confState = p.node.ApplyConfChange(change)
		case raftpb.EntryConfChangeV2:
			change := &raftpb.ConfChangeV2{}
			must(proto.Unmarshal(entry.Data, change))
			p.disk.confState = p.node.ApplyConfChange(change)
		}
	}
}

func (p *peer) waitForSaving() {
	if p.saving != nil {
		must(<-p.saving)
		p.saving = nil
	}
}

// snapshotWhenDue saves a snapshot beside the loop, as etcd's server does.
func (p *peer) snapshotWhenDue() {
	if p.saving != nil {
		select {
		case err := <-p.saving:
			must(err)
			p.saving = nil
		default:
			return
		}
	}
	index, due := p.snapshotDue()
	if !due {
		return
	}
	p.saving = make(chan error, 1)
	go func(done chan<- error, confState *raftpb.ConfState) {
		done <- p.disk.takeSnapshot(index, p.config.SnapshotEntries, confState)
	}(p.saving, p.disk.confState)
}

// snapshotDue is the index of the next snapshot, once enough has been applied that is in the log of this node, too.
func (p *peer) snapshotDue() (uint64, bool) {
	last, err := p.disk.memory.LastIndex()
	must(err)
	index := min(p.applied.Load(), last)
	return index, p.config.SnapshotCount != 0 && index >= p.disk.snapshotIndex+p.config.SnapshotCount
}
