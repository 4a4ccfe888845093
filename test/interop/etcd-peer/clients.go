package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sort"
	"strconv"
	"sync"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/raft/v3/raftpb"
)

const (
	proposeTimeout  = time.Second
	writeTimeout    = 5 * time.Second
	readTimeout     = 3 * time.Second
	changeTimeout   = 10 * time.Second
	transferTimeout = 10 * time.Second
	lineBytesMax    = 1 << 20
	// A client that lets more answers lie is cut off.
	answersMax = 8192
)

// connection answers a client by lines; answers never wait for it.
type connection struct {
	socket  net.Conn
	answers chan string
	closed  chan struct{}
}

func (c *connection) answer(id requestID, format string, values ...any) {
	line := fmt.Sprintf("%d.%d %s\n", id.client, id.sequence, fmt.Sprintf(format, values...))
	select {
	case c.answers <- line:
	default:
		_ = c.socket.Close()
	}
}

func (c *connection) write() {
	to := bufio.NewWriter(c.socket)
	defer c.socket.Close()
	for {
		select {
		case line := <-c.answers:
			if _, err := to.WriteString(line); err != nil {
				return
			}
			if len(c.answers) == 0 && to.Flush() != nil {
				return
			}
		case <-c.closed:
			return
		}
	}
}

type waitingWrite struct {
	connection *connection
	deadline   time.Time
}

// clients serve the line protocol of examples-c/kv.
type clients struct {
	node    *node
	mutex   sync.Mutex
	writes  map[requestID]waitingWrite
	reading chan readJob
}

type readJob struct {
	connection *connection
	id         requestID
	key        string
}

func newClients() *clients {
	return &clients{writes: map[requestID]waitingWrite{}, reading: make(chan readJob, answersMax)}
}

func (c *clients) serve(listener net.Listener) {
	go c.expire()
	go c.read()
	for {
		socket, err := listener.Accept()
		if err != nil {
			return
		}
		go c.take(&connection{socket, make(chan string, answersMax), make(chan struct{})})
	}
}

func (c *clients) take(from *connection) {
	go from.write()
	lines := bufio.NewScanner(from.socket)
	lines.Buffer(make([]byte, 64*1024), lineBytesMax)
	for lines.Scan() {
		request, err := parseRequest(lines.Text())
		if err != nil {
			from.answer(request.id, "ERR BAD %v", err)
			continue
		}
		c.handle(from, request)
	}
	close(from.closed)
}

func (c *clients) handle(from *connection, r request) {
	switch r.verb {
	case "SET", "DEL":
		c.propose(from, r)
	case "GET":
		select {
		case c.reading <- readJob{from, r.id, r.first}:
		default:
			from.answer(r.id, "ERR BUSY too many requests")
		}
	case "LEADER":
		from.answer(r.id, "OK leader=%d role=%s", c.node.leader.Load(), roleName(raftState(c.node.role.Load())))
	case "DIGEST":
		from.answer(r.id, "OK %s", c.node.digest())
	default:
		go c.wait(from, r)
	}
}

// ---- Writes

func (c *clients) propose(from *connection, r request) {
	write := command{kind: kindSet, id: r.id, oldest: r.oldest, key: r.first, value: r.second}
	if r.verb == "DEL" {
		write.kind = kindDel
	}
	c.mutex.Lock()
	c.writes[r.id] = waitingWrite{from, time.Now().Add(writeTimeout)}
	c.mutex.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), proposeTimeout)
	defer cancel()
	if err := c.node.propose(ctx, write.encode()); err != nil {
		c.mutex.Lock()
		delete(c.writes, r.id)
		c.mutex.Unlock()
		from.answer(r.id, "ERR RETRY %v", err)
	}
}

// applied answers a write that was committed, or came with a snapshot.
func (c *clients) applied(id requestID, result outcome) {
	c.mutex.Lock()
	waiting, found := c.writes[id]
	delete(c.writes, id)
	c.mutex.Unlock()
	if !found {
		return
	}
	text := "OK"
	switch result {
	case doneDeleted:
		text = "OK 1"
	case doneNothing:
		text = "OK 0"
	case beyondWindow:
		text = "ERR WINDOW too many writes are open"
	}
	waiting.connection.answer(id, "%s", text)
}

// expire ends writes that nothing was heard of: a leader may have dropped them.
func (c *clients) expire() {
	for now := range time.Tick(200 * time.Millisecond) {
		late := map[requestID]*connection{}
		c.mutex.Lock()
		for id, waiting := range c.writes {
			if now.After(waiting.deadline) {
				late[id] = waiting.connection
				delete(c.writes, id)
			}
		}
		c.mutex.Unlock()
		for id, to := range late {
			to.answer(id, "ERR RETRY the outcome is not known")
		}
	}
}

// ---- Reads: those that wait share one read index

func (c *clients) read() {
	for job := range c.reading {
		jobs := []readJob{job}
		for len(c.reading) > 0 {
			jobs = append(jobs, <-c.reading)
		}
		ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
		err := c.node.readIndex(ctx)
		cancel()
		for _, one := range jobs {
			if err != nil {
				one.connection.answer(one.id, "ERR RETRY %v", err)
			} else if value, found := c.node.get(one.key); found {
				one.connection.answer(one.id, "OK %s", value)
			} else {
				one.connection.answer(one.id, "ERR NOKEY no such key")
			}
		}
	}
}

// ---- What waits, each on a goroutine of its own

func (c *clients) wait(to *connection, r request) {
	ctx, cancel := context.WithTimeout(context.Background(), changeTimeout)
	defer cancel()
	text, err := c.run(ctx, r)
	var number *strconv.NumError
	switch {
	case err == nil:
		to.answer(r.id, "OK %s", text)
	case errors.As(err, &number):
		to.answer(r.id, "ERR FAILED %v", err)
	default:
		to.answer(r.id, "ERR RETRY %v", err)
	}
}

func (c *clients) run(ctx context.Context, r request) (string, error) {
	switch r.verb {
	case "MEMBERS":
		return c.node.membersJSON()
	case "STATUS":
		status, err := c.node.raft.Status().MarshalJSON()
		return string(status), err
	case "SNAPSHOT":
		index, err := c.node.saveSnapshot()
		return fmt.Sprint(index), err
	}
	id, err := strconv.ParseUint(r.first, 10, 64)
	if err != nil {
		return "", err
	}
	var index uint64
	switch r.verb {
	case "TRANSFER":
		err = c.node.transfer(ctx, id)
		index = id
	case "ADD":
		index, err = c.node.changeMember(ctx, raftpb.ConfChangeAddNode, id, r.second)
	case "REMOVE":
		index, err = c.node.changeMember(ctx, raftpb.ConfChangeRemoveNode, id, "")
	}
	return fmt.Sprint(index), err
}

func (n *node) get(key string) (string, bool) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	value, found := n.state.pairs[key]
	return value, found
}

func (n *node) digest() string {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	return fmt.Sprintf("applied=%d keys=%d writes=%d repeats=%d digest=%016x",
		n.applied, len(n.state.pairs), n.state.writes, n.state.repeats, n.state.digest())
}

func (n *node) membersJSON() (string, error) {
	type row struct {
		ID     uint64 `json:"id"`
		Host   string `json:"host"`
		Active int64  `json:"active"`
	}
	rows := []row{}
	for id, url := range n.members.all() {
		active := int64(-1)
		if since := n.transport.ActiveSince(types.ID(id)); id == n.config.ID || !since.IsZero() {
			active = 0
		}
		rows = append(rows, row{id, url, active})
	}
	sort.Slice(rows, func(i, j int) bool { return rows[i].ID < rows[j].ID })
	text, err := json.Marshal(rows)
	return string(text), err
}
