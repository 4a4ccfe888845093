// Package driver is what the Go peers of the benchmark share: they are driven over their standard input like bench_host,
// one answer a line (bench/peers/README.md).
package driver

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
)

// Peer is a raft library with its log, its transport and the state machine of the benchmark.
type Peer interface {
	// Start starts the node; what it applies and its roles go to the host.
	Start(config *Config, host *Host) error
	// Propose gives one entry to raft. It may wait until raft takes it, not until it is applied. The bytes are
	// raft's from then on. Many goroutines call it.
	Propose(data []byte) error
	// Proposers is how many goroutines the library's documentation suggests for a window of open entries.
	Proposers(window int) int
	// Modules are the modules that a version line names.
	Modules() []string
}

// Host is the state machine of the benchmark: it counts and takes times.
type Host struct {
	appliedCount atomic.Uint64
	current      atomic.Pointer[load]
	output       sync.Mutex
	role         string
}

// Applied is called with what the state machine is given, in log order, from one goroutine.
func (h *Host) Applied(batch [][]byte) {
	h.appliedCount.Add(uint64(len(batch)))
	if current := h.current.Load(); current != nil && len(batch) != 0 {
		current.applied(batch)
	}
}

// Role tells the node's role; repetitions are left out.
func (h *Host) Role(role string) {
	h.output.Lock()
	defer h.output.Unlock()
	if role != h.role {
		h.role = role
		fmt.Println("role " + role)
	}
}

func (h *Host) say(line string) {
	h.output.Lock()
	defer h.output.Unlock()
	fmt.Println(strings.ReplaceAll(line, "\n", " "))
}

func (h *Host) runLoad(peer Peer, line string) (string, error) {
	var count, bytes, window, proposers int
	fields, _ := fmt.Sscanf(line, "run %d %d %d %d", &count, &bytes, &window, &proposers)
	if fields < 3 || count < 1 || bytes < headerBytes || window < 1 || proposers < 0 {
		return "", fmt.Errorf("run COUNT BYTES WINDOW [PROPOSERS]: at least 1, %d, 1 and 0", headerBytes)
	}
	if proposers == 0 {
		proposers = peer.Proposers(min(window, count))
	}
	l := newLoad(count, window)
	h.current.Store(l)
	defer h.current.Store(nil)
	report, err := l.run(bytes, proposers, peer.Propose)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(report)
	return string(text), err
}

func versions(modules []string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return runtime.Version()
	}
	parts := []string{}
	for _, name := range modules {
		for _, module := range info.Deps {
			if module.Path == name {
				parts = append(parts, name+" "+module.Version)
			}
		}
	}
	return strings.Join(append(parts, runtime.Version()), ", ")
}

func (h *Host) answer(peer Peer, line string) (string, error) {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "start":
		config, err := ReadConfig(rest)
		if err != nil {
			return "", err
		}
		return "ready", peer.Start(config, h)
	case "run":
		return h.runLoad(peer, line)
	case "applied":
		return fmt.Sprint(h.appliedCount.Load()), nil
	case "version":
		return "version " + versions(peer.Modules()), nil
	}
	return "", fmt.Errorf("unknown command: %s", line)
}

// Main answers the commands of standard input until it ends.
func Main(peer Peer) {
	host := &Host{}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		answer, err := host.answer(peer, lines.Text())
		if err != nil {
			answer = "error " + err.Error()
		}
		host.say(answer)
	}
}
