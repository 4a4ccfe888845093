package main

import (
	"net/http"
	"sync"

	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/raft/v3/raftpb"
)

// members are the URLs by id and the ids that were removed. Safe for all goroutines.
type members struct {
	mutex   sync.Mutex
	urls    map[uint64]string
	removed map[uint64]bool
}

// errRemoved becomes status 403 in rafthttp's answer to a pipeline message.
type errRemoved struct{}

func (errRemoved) Error() string { return "the sender has been removed from the cluster" }

func (e errRemoved) WriteTo(w http.ResponseWriter) {
	http.Error(w, e.Error(), http.StatusForbidden)
}

func newMembers() *members {
	return &members{urls: map[uint64]string{}, removed: map[uint64]bool{}}
}

func (m *members) add(id uint64, url string) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.urls[id] = url
	delete(m.removed, id)
}

func (m *members) remove(id uint64) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	delete(m.urls, id)
	m.removed[id] = true
}

func (m *members) isRemoved(id uint64) bool {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.removed[id]
}

func (m *members) all() map[uint64]string {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	copied := make(map[uint64]string, len(m.urls))
	for id, url := range m.urls {
		copied[id] = url
	}
	return copied
}

// ---- The node's side: members and the transport's peers together.

func (n *node) addMember(id uint64, url string) {
	if url == "" {
		url = n.members.all()[id]
	}
	if url == "" {
		url = n.config.urlOf(id)
	}
	before, known := n.members.all()[id]
	n.members.add(id, url)
	if id == n.config.ID || url == "" {
		return
	}
	if known && before != url && before != "" {
		n.transport.UpdatePeer(types.ID(id), []string{url})
		return
	}
	n.transport.AddPeer(types.ID(id), []string{url})
}

func (n *node) removeMember(id uint64) {
	n.members.remove(id)
	if id != n.config.ID && n.transport.Get(types.ID(id)) != nil {
		n.transport.RemovePeer(types.ID(id))
	}
}

// adoptMembers makes the members those of a snapshot.
func (n *node) adoptMembers(state *raftpb.ConfState) {
	present := map[uint64]bool{}
	for _, list := range [][]uint64{state.GetVoters(), state.GetLearners(), state.GetVotersOutgoing()} {
		for _, id := range list {
			present[id] = true
			n.addMember(id, "")
		}
	}
	for id := range n.members.all() {
		if !present[id] {
			n.removeMember(id)
		}
	}
}

func (n *node) applySingle(change *raftpb.ConfChangeSingle, url string) {
	switch change.GetType() {
	case raftpb.ConfChangeRemoveNode:
		n.removeMember(change.GetNodeId())
	case raftpb.ConfChangeAddNode, raftpb.ConfChangeAddLearnerNode:
		n.addMember(change.GetNodeId(), url)
	case raftpb.ConfChangeUpdateNode:
		if _, known := n.members.all()[change.GetNodeId()]; known {
			n.addMember(change.GetNodeId(), url)
		}
	}
}
