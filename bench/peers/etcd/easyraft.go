package main

import (
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// easyraft's arrangement of the same parts, which is that of etcd's example: one goroutine takes proposals out of an
// unbuffered channel, the loop does one thing after the other, and entries pass one at a time through an unbuffered
// channel to the state machine. Left out are easyraft's goroutine that spins while it waits for the end, and its
// crossings between C and Go: this peer is faster than easyraft.

func (p *peer) startEasyraft() {
	p.proposeC = make(chan []byte)
	p.commitC = make(chan *raftpb.Entry)
	go func() {
		for data := range p.proposeC {
			must(p.propose(data))
		}
	}()
	go func() {
		for entry := range p.commitC {
			p.host.Applied([][]byte{entry.Data})
		}
	}()
}

func (p *peer) handleInOrder(ready raft.Ready) {
	must(p.disk.log.Save(ready.HardState, ready.Entries))
	if !raft.IsEmptySnap(ready.Snapshot) {
		must(p.disk.saveSnapshot(ready.Snapshot))
		must(p.disk.memory.ApplySnapshot(ready.Snapshot))
		p.disk.setSnapshot(ready.Snapshot)
		p.applied.Store(p.disk.snapshotIndex)
	}
	must(p.disk.memory.Append(ready.Entries))
	p.transport.Send(ready.Messages)
	p.configure(ready.CommittedEntries)
	for _, entry := range ready.CommittedEntries {
		if entry.GetType() == raftpb.EntryNormal && len(entry.Data) != 0 {
			p.commitC <- entry
		}
		p.applied.Store(entry.GetIndex())
	}
	if index, due := p.snapshotDue(); due {
		must(p.disk.takeSnapshot(index, p.config.SnapshotEntries, p.disk.confState))
	}
	if ready.SoftState != nil {
		p.host.Role(roles[ready.RaftState])
	}
}
