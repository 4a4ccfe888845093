package main

import (
	"io"

	"github.com/hashicorp/raft"

	"polyraft.bench/driver"
)

// stateMachine takes whole batches, as the library suggests to.
type stateMachine struct{ host *driver.Host }

func (s stateMachine) Apply(log *raft.Log) any {
	return s.ApplyBatch([]*raft.Log{log})[0]
}

func (s stateMachine) ApplyBatch(logs []*raft.Log) []any {
	batch := make([][]byte, 0, len(logs))
	for _, log := range logs {
		if log.Type == raft.LogCommand {
			batch = append(batch, log.Data)
		}
	}
	s.host.Applied(batch)
	return make([]any, len(logs))
}

// The state is empty, as that of the other programs of the benchmark.
func (s stateMachine) Snapshot() (raft.FSMSnapshot, error)  { return emptySnapshot{}, nil }
func (s stateMachine) Restore(snapshot io.ReadCloser) error { return snapshot.Close() }

type emptySnapshot struct{}

func (emptySnapshot) Persist(sink raft.SnapshotSink) error { return sink.Close() }
func (emptySnapshot) Release()                             {}
