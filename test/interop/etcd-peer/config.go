package main

import (
	"encoding/json"
	"fmt"
	"os"
)

type peerConfig struct {
	ID  uint64 `json:"id"`
	URL string `json:"url"`
}

// peerTLS is mutual, whatever else polyraft's configuration allows.
type peerTLS struct {
	CertFile string `json:"cert_file"`
	KeyFile  string `json:"key_file"`
	CAFile   string `json:"ca_file"`
}

// config has the keys of polyraft's configuration (docs/CONFIGURATION.md) that this program knows; others are ignored.
type config struct {
	ID              uint64       `json:"id"`
	ClusterID       uint64       `json:"cluster_id"`
	WALDirectory    string       `json:"waldir"`
	SnapDirectory   string       `json:"snapdir"`
	Peers           []peerConfig `json:"peers"`
	Join            bool         `json:"join"`
	TickMs          int          `json:"tickms"`
	ElectionTick    int          `json:"election_tick"`
	HeartbeatTick   int          `json:"heartbeat_tick"`
	SnapCount       uint64       `json:"snap_count"`
	SnapshotEntries uint64       `json:"snapshot_entries"`
	ManualSnap      bool         `json:"manual_snap"`
	MaxSizePerMsg   uint64       `json:"max_size_per_msg"`
	MaxInflightMsgs int          `json:"max_inflight_msgs"`
	PreVote         bool         `json:"pre_vote"`
	CheckQuorum     bool         `json:"check_quorum"`
	PeerTLS         peerTLS      `json:"peer_tls"`

	// The first entries of a new cluster hold ids only: a program may leave it to its configuration who is where.
	withoutURLs bool
}

func readConfig(path string) (*config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c := &config{
		TickMs: 100, ElectionTick: 10, HeartbeatTick: 1, SnapCount: 10000, SnapshotEntries: 1000,
		MaxSizePerMsg: 1 << 20, MaxInflightMsgs: 256, PreVote: true, CheckQuorum: true,
	}
	if err := json.Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if c.ID == 0 || c.WALDirectory == "" || c.SnapDirectory == "" || c.urlOf(c.ID) == "" {
		return nil, fmt.Errorf("%s: id, waldir, snapdir and peers (with the own id) are needed", path)
	}
	return c, nil
}

// urlOf is the configured URL of a peer, "" when it is not configured.
func (c *config) urlOf(id uint64) string {
	for _, peer := range c.Peers {
		if peer.ID == id {
			return peer.URL
		}
	}
	return ""
}
