package main

import (
	"encoding/binary"
	"slices"
)

// What a write came to; the numbers are part of the snapshot (examples-c/kv/kv_sessions.h).
type outcome byte

const (
	notDone outcome = iota
	doneSet
	doneDeleted
	doneNothing
	settled
	beyondWindow
)

const (
	window      = 1024
	sessionsMax = 1024
)

// session remembers the outcomes of one client's writes from its oldest open one on.
type session struct {
	client    uint64
	oldest    uint64
	lastIndex uint64
	outcomes  [window]byte
}

func (s *session) outcome(sequence uint64) outcome {
	if sequence < s.oldest {
		return settled
	}
	if sequence-s.oldest >= window {
		return beyondWindow
	}
	return outcome(s.outcomes[sequence%window])
}

func (s *session) moveTo(oldest uint64) {
	if oldest <= s.oldest {
		return
	}
	if oldest-s.oldest >= window {
		clear(s.outcomes[:])
	} else {
		for left := s.oldest; left < oldest; left++ {
			s.outcomes[left%window] = byte(notDone)
		}
	}
	s.oldest = oldest
}

// sessions are in ascending order of client.
type sessions []*session

func (list sessions) place(client uint64) (int, bool) {
	return slices.BinarySearchFunc(list, client, func(s *session, wanted uint64) int {
		switch {
		case s.client < wanted:
			return -1
		case s.client > wanted:
			return 1
		}
		return 0
	})
}

func (list sessions) find(id requestID) outcome {
	at, found := list.place(id.client)
	if !found {
		return notDone
	}
	return list[at].outcome(id.sequence)
}

// use returns the client's session with its window moved up; the one used longest ago makes room for a new one.
func (list *sessions) use(client, oldest, index uint64) *session {
	at, found := list.place(client)
	if !found {
		if len(*list) == sessionsMax {
			least := 0
			for i, s := range *list {
				if s.lastIndex < (*list)[least].lastIndex {
					least = i
				}
			}
			*list = slices.Delete(*list, least, least+1)
			at, _ = list.place(client)
		}
		*list = slices.Insert(*list, at, &session{client: client, oldest: oldest})
	}
	s := (*list)[at]
	s.lastIndex = index
	s.moveTo(oldest)
	return s
}

func (list sessions) appendTo(to []byte) []byte {
	to = binary.LittleEndian.AppendUint32(to, uint32(len(list)))
	for _, s := range list {
		for _, number := range []uint64{s.client, s.oldest, s.lastIndex} {
			to = binary.LittleEndian.AppendUint64(to, number)
		}
		to = append(to, s.outcomes[:]...)
	}
	return to
}
