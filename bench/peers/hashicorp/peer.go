package main

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	boltstore "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"

	"polyraft.bench/driver"
)

const (
	// The most that the library allows: entries in a group commit, in a message and in a batch for the state machine.
	appendEntriesMax = 1024
	// Entries in memory in front of the store, so that replication does not read what has just been written.
	cacheEntries       = 4 * appendEntriesMax
	snapshotsKept      = 2
	connectionsPerPeer = 3
	transportTimeout   = 10 * time.Second
	observationsMax    = 64
)

type peer struct{ raft *raft.Raft }

func (p *peer) Modules() []string {
	return []string{"github.com/hashicorp/raft", "github.com/hashicorp/raft-boltdb/v2", "go.etcd.io/bbolt"}
}

// Proposers is one: Apply only puts the entry into a channel, whose reader takes all that is there.
func (p *peer) Proposers(int) int { return 1 }

// Propose waits for room in the queue of the leader's loop. What becomes of the entry, the state machine sees.
func (p *peer) Propose(data []byte) error {
	p.raft.Apply(data, 0)
	return nil
}

func (p *peer) Start(config *driver.Config, host *driver.Host) error {
	logger := hclog.New(&hclog.LoggerOptions{Name: "raft", Level: hclog.Warn, Output: os.Stderr})
	store, err := openStore(config)
	if err != nil {
		return err
	}
	cache, err := raft.NewLogCache(cacheEntries, store)
	if err != nil {
		return err
	}
	snapshots, err := raft.NewFileSnapshotStoreWithLogger(config.SnapDirectory, snapshotsKept, logger)
	if err != nil {
		return err
	}
	transport, err := openTransport(config, logger)
	if err != nil {
		return err
	}
	settings := settingsOf(config, logger)
	isOld, err := raft.HasExistingState(cache, store, snapshots)
	if err != nil {
		return err
	}
	if !isOld {
		if err := bootstrap(config, settings, cache, store, snapshots, transport); err != nil {
			return err
		}
	}
	p.raft, err = raft.NewRaft(settings, stateMachine{host}, cache, store, snapshots, transport)
	if err != nil {
		return err
	}
	p.watchRoles(host)
	return nil
}

// openStore opens bolt with syncs on and its list of free pages in memory only, as HashiCorp's products do.
func openStore(config *driver.Config) (*boltstore.BoltStore, error) {
	for _, directory := range []string{config.LogDirectory, config.SnapDirectory} {
		if err := os.MkdirAll(directory, 0o750); err != nil {
			return nil, err
		}
	}
	return boltstore.New(boltstore.Options{
		Path:        filepath.Join(config.LogDirectory, "raft.db"),
		BoltOptions: &bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType},
	})
}

// openTransport listens on the own address. Pipelining is on with the library's two messages in flight: its pages say
// that more of them only makes commits later.
func openTransport(config *driver.Config, logger hclog.Logger) (*raft.NetworkTransport, error) {
	own, err := config.Own().Host()
	if err != nil {
		return nil, err
	}
	address, err := net.ResolveTCPAddr("tcp", own)
	if err != nil {
		return nil, err
	}
	return raft.NewTCPTransportWithLogger(own, address, connectionsPerPeer, transportTimeout, logger)
}

func settingsOf(config *driver.Config, logger hclog.Logger) *raft.Config {
	settings := raft.DefaultConfig()
	settings.LocalID = serverID(config.ID)
	settings.Logger = logger
	settings.HeartbeatTimeout = config.Tick() * time.Duration(config.ElectionTicks)
	settings.ElectionTimeout = settings.HeartbeatTimeout
	settings.LeaderLeaseTimeout = min(settings.LeaderLeaseTimeout, settings.HeartbeatTimeout)
	settings.MaxAppendEntries = appendEntriesMax
	settings.BatchApplyCh = true
	settings.NoLegacyTelemetry = true
	return settings
}

func serverID(id uint64) raft.ServerID { return raft.ServerID(strconv.FormatUint(id, 10)) }

func bootstrap(config *driver.Config, settings *raft.Config, log raft.LogStore, stable raft.StableStore,
	snapshots raft.SnapshotStore, transport raft.Transport,
) error {
	members := raft.Configuration{}
	for _, member := range config.Peers {
		address, err := member.Host()
		if err != nil {
			return err
		}
		server := raft.Server{ID: serverID(member.ID), Address: raft.ServerAddress(address)}
		members.Servers = append(members.Servers, server)
	}
	return raft.BootstrapCluster(settings, log, stable, snapshots, transport, members)
}

var roles = map[raft.RaftState]string{
	raft.Follower:  "follower",
	raft.Candidate: "candidate",
	raft.Leader:    "leader",
	raft.Shutdown:  "follower",
}

func (p *peer) watchRoles(host *driver.Host) {
	changes := make(chan raft.Observation, observationsMax)
	p.raft.RegisterObserver(raft.NewObserver(changes, true, func(observation *raft.Observation) bool {
		_, isState := observation.Data.(raft.RaftState)
		return isState
	}))
	go func() {
		host.Role(roles[p.raft.State()])
		for change := range changes {
			host.Role(roles[change.Data.(raft.RaftState)])
		}
	}()
}
