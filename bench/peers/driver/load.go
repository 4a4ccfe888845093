package driver

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// An entry begins with the id of its run and its number in it, 8 bytes each.
	headerBytes = 16
	runTimeout  = 120 * time.Second
)

// Report is one run's result. Latencies are from before the call that proposes to the entry's application on the same
// node.
type Report struct {
	Count     int     `json:"count"`
	Proposers int     `json:"proposers"`
	Seconds   float64 `json:"seconds"`
	P50Us     float64 `json:"p50Us"`
	P90Us     float64 `json:"p90Us"`
	P99Us     float64 `json:"p99Us"`
	MaxUs     float64 `json:"maxUs"`
}

// load is one run: `count` entries, of which at most `window` are open.
type load struct {
	mutex  sync.Mutex
	wake   *sync.Cond
	id     uint64
	count  int
	window int
	next   int
	done   int
	failed error
	// When entry n was proposed, and later how long it took.
	times    []time.Duration
	finished chan struct{}
	finish   func()
}

// An applied entry costs one clock reading a batch, none an entry.
var clockStart = time.Now()

func now() time.Duration { return time.Since(clockStart) }

func newLoad(count, window int) *load {
	finished := make(chan struct{})
	l := &load{
		id:       uint64(time.Now().UnixNano()),
		count:    count,
		window:   window,
		times:    make([]time.Duration, count),
		finished: finished,
		finish:   sync.OnceFunc(func() { close(finished) }),
	}
	l.wake = sync.NewCond(&l.mutex)
	return l
}

// take gives a proposer its next number once the window has room; false at the end.
func (l *load) take() (int, bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for l.next < l.count && l.next-l.done >= l.window && l.failed == nil {
		l.wake.Wait()
	}
	if l.next >= l.count || l.failed != nil {
		return 0, false
	}
	number := l.next
	l.next++
	l.times[number] = now()
	return number, true
}

func (l *load) fail(err error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.failed == nil && l.done < l.count {
		l.failed = err
		l.finish()
	}
	l.wake.Broadcast()
}

// applied takes what this node's state machine was given, in order. One wake-up serves the whole batch.
func (l *load) applied(batch [][]byte) {
	at := now()
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for _, data := range batch {
		if len(data) < headerBytes || binary.NativeEndian.Uint64(data) != l.id {
			continue
		}
		number := binary.NativeEndian.Uint64(data[8:])
		l.times[number] = at - l.times[number]
		l.done++
	}
	if l.done == l.count {
		l.finish()
	}
	l.wake.Broadcast()
}

func (l *load) propose(bytes int, propose func([]byte) error) {
	for {
		number, ok := l.take()
		if !ok {
			return
		}
		// Raft keeps the bytes of an entry, so each has its own.
		data := make([]byte, bytes)
		binary.NativeEndian.PutUint64(data, l.id)
		binary.NativeEndian.PutUint64(data[8:], uint64(number))
		if err := propose(data); err != nil {
			l.fail(fmt.Errorf("entry %d was refused: %w", number, err))
			return
		}
	}
}

// run proposes everything and waits until it is applied.
func (l *load) run(bytes, proposers int, propose func([]byte) error) (*Report, error) {
	began := now()
	for range proposers {
		go l.propose(bytes, propose)
	}
	timer := time.AfterFunc(runTimeout, func() { l.fail(errors.New("no end in time")) })
	<-l.finished
	took := now() - began
	timer.Stop()
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.failed != nil {
		return nil, fmt.Errorf("%w; %d of %d entries were applied", l.failed, l.done, l.count)
	}
	slices.Sort(l.times)
	microseconds := func(at int) float64 { return float64(l.times[at].Nanoseconds()) / 1e3 }
	return &Report{
		Count:     l.count,
		Proposers: proposers,
		Seconds:   took.Seconds(),
		P50Us:     microseconds(l.count / 2),
		P90Us:     microseconds(l.count * 90 / 100),
		P99Us:     microseconds(l.count * 99 / 100),
		MaxUs:     microseconds(l.count - 1),
	}, nil
}
