package main

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// state is the state machine of examples-c/kv: the same effects, snapshot bytes and digest.
type state struct {
	pairs    map[string]string
	sessions sessions
	writes   uint64
	repeats  uint64
}

const magic = "PRKVSNP1"

// Seeds of the digest's parts.
const (
	pairSeed     = 1
	sessionsSeed = 2
	countersSeed = 3
)

var errSnapshot = errors.New("damaged snapshot")

func newState() *state {
	return &state{pairs: map[string]string{}}
}

func (s *state) apply(index uint64, c *command) outcome {
	of := s.sessions.use(c.id.client, c.oldest, index)
	if before := of.outcome(c.id.sequence); before != notDone {
		s.repeats++
		return before
	}
	result := doneSet
	if c.kind == kindSet {
		s.pairs[c.key] = c.value
	} else {
		result = doneNothing
		if _, existed := s.pairs[c.key]; existed {
			result = doneDeleted
		}
		delete(s.pairs, c.key)
	}
	s.writes++
	of.outcomes[c.id.sequence%window] = byte(result)
	return result
}

// hash is FNV-1a, then mixed (examples-c/kv/kv_bytes.c).
func hash(seed uint64, data []byte) uint64 {
	h := 0xcbf29ce484222325 ^ seed
	for _, b := range data {
		h = (h ^ uint64(b)) * 0x100000001b3
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

func appendPair(to []byte, key, value string) []byte {
	to = binary.LittleEndian.AppendUint32(to, uint32(len(key)))
	to = binary.LittleEndian.AppendUint32(to, uint32(len(value)))
	to = append(to, key...)
	return append(to, value...)
}

func (s *state) appendCounters(to []byte) []byte {
	to = binary.LittleEndian.AppendUint64(to, s.writes)
	return binary.LittleEndian.AppendUint64(to, s.repeats)
}

func (s *state) digest() uint64 {
	var sum uint64
	var encoded []byte
	for key, value := range s.pairs {
		encoded = appendPair(encoded[:0], key, value)
		sum += hash(pairSeed, encoded)
	}
	sum += hash(sessionsSeed, s.sessions.appendTo(nil))
	return sum + hash(countersSeed, s.appendCounters(nil))
}

func (s *state) encode() []byte {
	to := s.appendCounters([]byte(magic))
	to = s.sessions.appendTo(to)
	to = binary.LittleEndian.AppendUint64(to, uint64(len(s.pairs)))
	for key, value := range s.pairs {
		to = appendPair(to, key, value)
	}
	return binary.LittleEndian.AppendUint64(to, s.digest())
}

// reader takes from the front; what is beyond the end is nothing, and is remembered.
type reader struct {
	left   []byte
	failed bool
}

func (r *reader) bytes(size uint64) []byte {
	if r.failed || size > uint64(len(r.left)) {
		r.failed = true
		return nil
	}
	taken := r.left[:size]
	r.left = r.left[size:]
	return taken
}

func (r *reader) u32() uint32 {
	if b := r.bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *reader) sessions() sessions {
	count := r.u32()
	if count > sessionsMax {
		r.failed = true
		return nil
	}
	var list sessions
	for i := uint32(0); i < count && !r.failed; i++ {
		s := &session{client: r.u64(), oldest: r.u64(), lastIndex: r.u64()}
		copy(s.outcomes[:], r.bytes(window))
		if i > 0 && s.client <= list[i-1].client {
			r.failed = true
		}
		list = append(list, s)
	}
	return list
}

func decodeState(data []byte) (*state, error) {
	r := &reader{left: data}
	if !bytes.Equal(r.bytes(uint64(len(magic))), []byte(magic)) {
		return nil, errSnapshot
	}
	s := newState()
	s.writes, s.repeats = r.u64(), r.u64()
	s.sessions = r.sessions()
	pairs := r.u64()
	for i := uint64(0); i < pairs && !r.failed; i++ {
		keyBytes, valueBytes := uint64(r.u32()), uint64(r.u32())
		key := string(r.bytes(keyBytes))
		s.pairs[key] = string(r.bytes(valueBytes))
	}
	digest := r.u64()
	if r.failed || len(r.left) != 0 || digest != s.digest() {
		return nil, errSnapshot
	}
	return s, nil
}
