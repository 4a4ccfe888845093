package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"go.etcd.io/etcd/server/v3/etcdserver/api/snap"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"
)

// disk is a WAL and a directory of snapshots, both as etcd's packages keep them.
type disk struct {
	wal         *wal.WAL
	snapshotter *snap.Snapshotter
	// What was found, in memory.
	storage  *raft.MemoryStorage
	snapshot *raftpb.Snapshot
	isNew    bool
}

func openDisk(c *config, logger *zap.Logger) (*disk, error) {
	if err := os.MkdirAll(c.SnapDirectory, 0o750); err != nil {
		return nil, err
	}
	d := &disk{snapshotter: snap.New(logger, c.SnapDirectory), storage: raft.NewMemoryStorage()}
	if !wal.Exist(c.WALDirectory) {
		d.isNew = true
		// Without metadata, as easyraft makes it.
		log, err := wal.Create(logger, c.WALDirectory, nil)
		d.wal = log
		return d, err
	}
	if err := d.loadSnapshot(c, logger); err != nil {
		return nil, err
	}
	return d, d.replay(c, logger, true)
}

// loadSnapshot takes the newest snapshot that the log knows of.
func (d *disk) loadSnapshot(c *config, logger *zap.Logger) error {
	known, err := wal.ValidSnapshotEntries(logger, c.WALDirectory)
	if err != nil {
		return err
	}
	d.snapshot, err = d.snapshotter.LoadNewestAvailable(known)
	if errors.Is(err, snap.ErrNoSnapshot) {
		d.snapshot, err = nil, nil
	}
	return err
}

func (d *disk) replay(c *config, logger *zap.Logger, mayRepair bool) error {
	at := &walpb.Snapshot{}
	if d.snapshot != nil {
		at.Index = proto.Uint64(d.snapshot.GetMetadata().GetIndex())
		at.Term = proto.Uint64(d.snapshot.GetMetadata().GetTerm())
	}
	log, err := wal.Open(logger, c.WALDirectory, at)
	if err != nil {
		return err
	}
	_, hardState, entries, err := log.ReadAll()
	if errors.Is(err, io.ErrUnexpectedEOF) && mayRepair {
		// A torn end is cut off, once.
		_ = log.Close()
		if !wal.Repair(logger, c.WALDirectory) {
			return fmt.Errorf("%s cannot be repaired", c.WALDirectory)
		}
		return d.replay(c, logger, false)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c.WALDirectory, err)
	}
	d.wal = log
	if d.snapshot != nil {
		if err := d.storage.ApplySnapshot(d.snapshot); err != nil {
			return err
		}
	}
	if hardState == nil {
		hardState = &raftpb.HardState{}
	}
	if err := d.storage.SetHardState(hardState); err != nil {
		return err
	}
	// A log that was made and never written to is as new as none.
	d.isNew = d.snapshot == nil && len(entries) == 0 && raft.IsEmptyHardState(hardState)
	return d.storage.Append(entries)
}

// saveSnapshot writes the file first: a record in the log without its file would be useless.
func (d *disk) saveSnapshot(snapshot *raftpb.Snapshot) error {
	if err := d.snapshotter.SaveSnap(snapshot); err != nil {
		return err
	}
	metadata := snapshot.GetMetadata()
	err := d.wal.SaveSnapshot(&walpb.Snapshot{
		Index:     proto.Uint64(metadata.GetIndex()),
		Term:      proto.Uint64(metadata.GetTerm()),
		ConfState: metadata.GetConfState(),
	})
	if err != nil {
		return err
	}
	return d.wal.ReleaseLockTo(metadata.GetIndex())
}
