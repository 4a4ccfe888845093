package main

import (
	"encoding/binary"
	"errors"
)

const (
	kindSet = 1
	kindDel = 2
)

// requestID tells one request of one client.
type requestID struct {
	client   uint64
	sequence uint64
}

// command is a write as the log holds it; the layout is in examples-c/kv/kv_command.h.
type command struct {
	kind   byte
	id     requestID
	oldest uint64
	key    string
	value  string
}

const commandHead = 1 + 3*8 + 4

var errCommand = errors.New("no command of this program")

func (c *command) encode() []byte {
	to := make([]byte, 0, commandHead+len(c.key)+len(c.value))
	to = append(to, c.kind)
	for _, number := range []uint64{c.id.client, c.id.sequence, c.oldest} {
		to = binary.LittleEndian.AppendUint64(to, number)
	}
	to = binary.LittleEndian.AppendUint32(to, uint32(len(c.key)))
	to = append(to, c.key...)
	return append(to, c.value...)
}

func decodeCommand(data []byte) (*command, error) {
	if len(data) < commandHead {
		return nil, errCommand
	}
	numbers := data[1:]
	c := &command{kind: data[0]}
	c.id.client = binary.LittleEndian.Uint64(numbers)
	c.id.sequence = binary.LittleEndian.Uint64(numbers[8:])
	c.oldest = binary.LittleEndian.Uint64(numbers[16:])
	keyBytes := uint64(binary.LittleEndian.Uint32(numbers[24:]))
	rest := data[commandHead:]
	isKnown := c.kind == kindSet || c.kind == kindDel
	if !isKnown || keyBytes > uint64(len(rest)) || c.id.sequence == 0 || c.oldest > c.id.sequence {
		return nil, errCommand
	}
	c.key, c.value = string(rest[:keyBytes]), string(rest[keyBytes:])
	return c, nil
}
