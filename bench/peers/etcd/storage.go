package main

import (
	"errors"
	"os"

	"go.etcd.io/etcd/server/v3/etcdserver/api/snap"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"

	"polyraft.bench/driver"
)

// disk is what survives the process, and raft's view of it in memory.
type disk struct {
	log       *wal.WAL
	snapshots *snap.Snapshotter
	memory    *raft.MemoryStorage
	// Where the state machine begins after a restart.
	snapshotIndex uint64
	confState     *raftpb.ConfState
}

// openDisk opens the directories, or creates them; true when there was a log already.
func openDisk(logger *zap.Logger, config *driver.Config) (*disk, bool, error) {
	if err := os.MkdirAll(config.SnapDirectory, 0o750); err != nil {
		return nil, false, err
	}
	d := &disk{
		snapshots: snap.New(logger, config.SnapDirectory),
		memory:    raft.NewMemoryStorage(),
		confState: &raftpb.ConfState{},
	}
	if !wal.Exist(config.LogDirectory) {
		log, err := wal.Create(logger, config.LogDirectory, nil)
		d.log = log
		return d, false, err
	}
	return d, true, d.replay(logger, config)
}

func (d *disk) replay(logger *zap.Logger, config *driver.Config) error {
	marks, err := wal.ValidSnapshotEntries(logger, config.LogDirectory)
	if err != nil {
		return err
	}
	snapshot, err := d.snapshots.LoadNewestAvailable(marks)
	if err != nil && !errors.Is(err, snap.ErrNoSnapshot) {
		return err
	}
	from := &walpb.Snapshot{}
	if snapshot != nil {
		if err := d.memory.ApplySnapshot(snapshot); err != nil {
			return err
		}
		d.setSnapshot(snapshot)
		from.Index, from.Term = snapshot.Metadata.Index, snapshot.Metadata.Term
	}
	if d.log, err = wal.Open(logger, config.LogDirectory, from); err != nil {
		return err
	}
	_, state, entries, err := d.log.ReadAll()
	if err != nil {
		return err
	}
	if err := d.memory.SetHardState(state); err != nil {
		return err
	}
	return d.memory.Append(entries)
}

func (d *disk) setSnapshot(snapshot *raftpb.Snapshot) {
	d.snapshotIndex = snapshot.GetMetadata().GetIndex()
	d.confState = snapshot.GetMetadata().GetConfState()
}

// saveSnapshot makes a snapshot durable: the file before the mark in the log that names it.
func (d *disk) saveSnapshot(snapshot *raftpb.Snapshot) error {
	if err := d.snapshots.SaveSnap(snapshot); err != nil {
		return err
	}
	meta := snapshot.GetMetadata()
	mark := &walpb.Snapshot{Index: meta.Index, Term: meta.Term, ConfState: meta.ConfState}
	if err := d.log.SaveSnapshot(mark); err != nil {
		return err
	}
	return d.log.ReleaseLockTo(meta.GetIndex())
}

// takeSnapshot saves the state at an index and forgets entries that are `keep` behind it.
func (d *disk) takeSnapshot(index, keep uint64, confState *raftpb.ConfState) error {
	snapshot, err := d.memory.CreateSnapshot(index, confState, nil)
	if err != nil {
		return err
	}
	if err := d.saveSnapshot(snapshot); err != nil {
		return err
	}
	d.snapshotIndex = index
	if index <= keep {
		return nil
	}
	if err := d.memory.Compact(index - keep); err != nil && !errors.Is(err, raft.ErrCompacted) {
		return err
	}
	return nil
}
