// Reads and writes WAL and snapshot directories with etcd's own packages, so that a test can compare. Results are one
// JSON value on standard output; a failure is a text on standard error and status 1.
package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strconv"

	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"go.etcd.io/etcd/server/v3/etcdserver/api/snap"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"
)

type entry struct {
	Index uint64 `json:"index"`
	Term  uint64 `json:"term"`
	Type  int32  `json:"type"`
	Data  string `json:"data"`
}

type contents struct {
	Metadata string  `json:"metadata"`
	Term     uint64  `json:"term"`
	Vote     uint64  `json:"vote"`
	Commit   uint64  `json:"commit"`
	Entries  []entry `json:"entries"`
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func number(text string) uint64 {
	value, err := strconv.ParseUint(text, 10, 64)
	check(err)
	return value
}

func print(value any) {
	check(json.NewEncoder(os.Stdout).Encode(value))
}

// readWAL opens for appending (so that etcd insists on reading to a clean end) at the snapshot given.
func readWAL(directory string, index, term uint64) {
	at := &walpb.Snapshot{Index: proto.Uint64(index), Term: proto.Uint64(term)}
	log, err := wal.Open(zap.NewNop(), directory, at)
	check(err)
	metadata, state, entries, err := log.ReadAll()
	check(err)
	check(log.Close())
	_, err = wal.Verify(zap.NewNop(), directory, at)
	check(err)
	result := contents{
		Metadata: hex.EncodeToString(metadata),
		Term:     state.GetTerm(), Vote: state.GetVote(), Commit: state.GetCommit(),
		Entries: []entry{},
	}
	for _, e := range entries {
		result.Entries = append(result.Entries, entry{e.GetIndex(), e.GetTerm(), int32(e.GetType()), hex.EncodeToString(e.GetData())})
	}
	print(result)
}

// payload is data that the test can compute, too: entry i has i*37 % 700 bytes, none at all when that is 0.
func payload(index uint64) []byte {
	if index*37%700 == 0 {
		return nil
	}
	bytes := make([]byte, index*37%700)
	for i := range bytes {
		bytes[i] = byte(index + uint64(i))
	}
	return bytes
}

// writeWAL appends entries 1..count in saves of ten, a new term every hundred, a snapshot record every 250.
func writeWAL(directory, metadata string, segmentBytes, count uint64) {
	wal.SegmentSizeBytes = int64(segmentBytes)
	decoded, err := hex.DecodeString(metadata)
	check(err)
	if len(decoded) == 0 {
		decoded = nil
	}
	log, err := wal.Create(zap.NewNop(), directory, decoded)
	check(err)
	for first := uint64(1); first <= count; first += 10 {
		term := 1 + first/100
		entries := []*raftpb.Entry{}
		for index := first; index < first+10 && index <= count; index++ {
			entries = append(entries, &raftpb.Entry{
				Term: proto.Uint64(term), Index: proto.Uint64(index), Type: raftpb.EntryNormal.Enum(), Data: payload(index),
			})
		}
		state := &raftpb.HardState{Term: proto.Uint64(term), Vote: proto.Uint64(2), Commit: proto.Uint64(first - 1)}
		check(log.Save(state, entries))
		if first%250 == 1 && first > 1 {
			check(log.SaveSnapshot(&walpb.Snapshot{
				Index: proto.Uint64(first - 1), Term: proto.Uint64(1 + (first-11)/100),
				ConfState: &raftpb.ConfState{Voters: []uint64{1, 2, 3}, AutoLeave: proto.Bool(false)},
			}))
		}
	}
	check(log.Close())
	print(count)
}

type snapshotContents struct {
	Index  uint64   `json:"index"`
	Term   uint64   `json:"term"`
	Voters []uint64 `json:"voters"`
	Data   string   `json:"data"`
}

func readSnapshot(directory string) {
	loaded, err := snap.New(zap.NewNop(), directory).Load()
	check(err)
	meta := loaded.GetMetadata()
	print(snapshotContents{meta.GetIndex(), meta.GetTerm(), meta.GetConfState().GetVoters(), hex.EncodeToString(loaded.GetData())})
}

func writeSnapshot(directory string, index, term uint64) {
	check(os.MkdirAll(directory, 0o750))
	check(snap.New(zap.NewNop(), directory).SaveSnap(&raftpb.Snapshot{
		Data: payload(index),
		Metadata: &raftpb.SnapshotMetadata{
			Index: proto.Uint64(index), Term: proto.Uint64(term),
			ConfState: &raftpb.ConfState{Voters: []uint64{1, 2, 3}, AutoLeave: proto.Bool(false)},
		},
	}))
	print(index)
}

func main() {
	arguments := os.Args[1:]
	switch {
	case len(arguments) == 4 && arguments[0] == "read-wal":
		readWAL(arguments[1], number(arguments[2]), number(arguments[3]))
	case len(arguments) == 5 && arguments[0] == "write-wal":
		writeWAL(arguments[1], arguments[2], number(arguments[3]), number(arguments[4]))
	case len(arguments) == 2 && arguments[0] == "repair-wal":
		print(wal.Repair(zap.NewNop(), arguments[1]))
	case len(arguments) == 2 && arguments[0] == "read-snapshot":
		readSnapshot(arguments[1])
	case len(arguments) == 4 && arguments[0] == "write-snapshot":
		writeSnapshot(arguments[1], number(arguments[2]), number(arguments[3]))
	default:
		fmt.Fprintln(os.Stderr, "walcheck read-wal DIR INDEX TERM | write-wal DIR METADATA_HEX SEGMENT_BYTES COUNT | "+
			"repair-wal DIR | read-snapshot DIR | write-snapshot DIR INDEX TERM")
		os.Exit(2)
	}
}
