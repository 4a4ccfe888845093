package driver

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"time"
)

// Member is one node of the cluster: where it listens.
type Member struct {
	ID  uint64 `json:"id"`
	URL string `json:"url"`
}

// Host returns the member's host and port.
func (m Member) Host() (string, error) {
	parsed, err := url.Parse(m.URL)
	if err != nil || parsed.Host == "" {
		return "", fmt.Errorf("peers: %q is no URL like http://127.0.0.1:9001", m.URL)
	}
	return parsed.Host, nil
}

// Config is what a peer takes of the configuration of a polyraft server. Directories are relative to the working
// directory; a count of 0 for SnapshotCount means no snapshots.
type Config struct {
	ID              uint64   `json:"id"`
	ClusterID       uint64   `json:"cluster_id"`
	LogDirectory    string   `json:"waldir"`
	SnapDirectory   string   `json:"snapdir"`
	Peers           []Member `json:"peers"`
	TickMs          int      `json:"tickms"`
	ElectionTicks   int      `json:"election_tick"`
	HeartbeatTicks  int      `json:"heartbeat_tick"`
	SnapshotCount   uint64   `json:"snap_count"`
	SnapshotEntries uint64   `json:"snapshot_entries"`
	MaxMessageBytes uint64   `json:"max_size_per_msg"`
	MaxInflight     int      `json:"max_inflight_msgs"`
}

// Tick is the length of one tick.
func (c *Config) Tick() time.Duration { return time.Duration(c.TickMs) * time.Millisecond }

// Own is the member that this node is.
func (c *Config) Own() Member {
	for _, member := range c.Peers {
		if member.ID == c.ID {
			return member
		}
	}
	return Member{}
}

// ReadConfig reads and checks a configuration file; missing keys have the defaults of polyraft.
func ReadConfig(path string) (*Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	config := &Config{
		TickMs: 100, ElectionTicks: 10, HeartbeatTicks: 1,
		SnapshotCount: 10000, SnapshotEntries: 1000, MaxMessageBytes: 1 << 20, MaxInflight: 256,
	}
	if err := json.Unmarshal(text, config); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	switch {
	case config.LogDirectory == "" || config.SnapDirectory == "":
		return nil, fmt.Errorf("%s: waldir and snapdir are required", path)
	case config.ID == 0 || config.Own().ID == 0:
		return nil, fmt.Errorf("%s: peers must have the own id, %d", path, config.ID)
	case config.TickMs < 1 || config.HeartbeatTicks < 1 || config.ElectionTicks <= config.HeartbeatTicks:
		return nil, fmt.Errorf("%s: tickms and heartbeat_tick at least 1, election_tick above heartbeat_tick", path)
	}
	for _, member := range config.Peers {
		if _, err := member.Host(); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return config, nil
}
