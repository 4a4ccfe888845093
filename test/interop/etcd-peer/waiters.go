package main

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"

	"go.etcd.io/raft/v3"
)

var errNoLeader = errors.New("no leader")

// waiters are requests that wait for the ready loop; each gets an index.
type waiters struct {
	mutex   *sync.Mutex
	reads   map[uint64]chan uint64
	changes map[uint64]chan uint64
	indexes map[uint64][]chan uint64
	reached *uint64
}

func newWaiters() waiters {
	return waiters{
		mutex: &sync.Mutex{}, reads: map[uint64]chan uint64{}, changes: map[uint64]chan uint64{},
		indexes: map[uint64][]chan uint64{}, reached: new(uint64),
	}
}

func await(ctx context.Context, done <-chan uint64) (uint64, error) {
	select {
	case index := <-done:
		return index, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// register makes a waiter under a random number: no other node, nor this one in another life, uses it.
func (w waiters) register(in map[uint64]chan uint64) (uint64, <-chan uint64) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	number, done := rand.Uint64(), make(chan uint64, 1)
	in[number] = done
	return number, done
}

func (w waiters) forget(number uint64, in map[uint64]chan uint64) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	delete(in, number)
}

func (w waiters) resolve(number, index uint64, in map[uint64]chan uint64) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if done, found := in[number]; found {
		done <- index
		delete(in, number)
	}
}

func (w waiters) awaitRead() (uint64, <-chan uint64)   { return w.register(w.reads) }
func (w waiters) forgetRead(number uint64)             { w.forget(number, w.reads) }
func (w waiters) awaitChange() (uint64, <-chan uint64) { return w.register(w.changes) }
func (w waiters) forgetChange(number uint64)           { w.forget(number, w.changes) }
func (w waiters) change(number, index uint64)          { w.resolve(number, index, w.changes) }

func (w waiters) read(states []raft.ReadState) {
	for _, state := range states {
		if len(state.RequestCtx) == 8 {
			w.resolve(binary.BigEndian.Uint64(state.RequestCtx), state.Index, w.reads)
		}
	}
}

func (w waiters) awaitApplied(index uint64) <-chan uint64 {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	done := make(chan uint64, 1)
	if *w.reached >= index {
		done <- index
	} else {
		w.indexes[index] = append(w.indexes[index], done)
	}
	return done
}

func (w waiters) applied(index uint64) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	*w.reached = index
	for wanted, list := range w.indexes {
		if wanted > index {
			continue
		}
		for _, done := range list {
			done <- index
		}
		delete(w.indexes, wanted)
	}
}
