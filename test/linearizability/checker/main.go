// Checks recorded histories of registers: checker FILE...
//
// A file is {"operations": [{"client", "kind": "put"|"get", "key", "value", "call", "return"}]}; times in
// nanoseconds, a return of null is a put whose outcome nobody knows: it may take effect at any time after its call,
// or never. Prints one line of JSON a file, {"file", "verdict": "ok"|"illegal"|"undecided", "operations"}, and ends with
// 0 when all are ok, 1 when one is not, 2 when a file cannot be read.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/anishathalye/porcupine"
)

const timeLimit = 2 * time.Minute

type operation struct {
	Client int    `json:"client"`
	Kind   string `json:"kind"`
	Key    uint64 `json:"key"`
	Value  uint64 `json:"value"`
	Call   int64  `json:"call"`
	Return *int64 `json:"return"`
}

type history struct {
	Operations []operation `json:"operations"`
}

type verdict struct {
	File       string `json:"file"`
	Verdict    string `json:"verdict"`
	Operations int    `json:"operations"`
}

type input struct {
	isPut bool
	key   uint64
	value uint64
}

// Registers do not touch each other, so each key is checked by itself.
var registers = porcupine.Model{
	Partition: func(all []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[uint64][]porcupine.Operation{}
		for _, one := range all {
			key := one.Input.(input).key
			byKey[key] = append(byKey[key], one)
		}
		parts := make([][]porcupine.Operation, 0, len(byKey))
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() interface{} { return uint64(0) },
	Step: func(state, in, out interface{}) (bool, interface{}) {
		if asked := in.(input); asked.isPut {
			return true, asked.value
		}
		return out.(uint64) == state.(uint64), state
	},
}

func read(path string) (history, error) {
	var read history
	bytes, err := os.ReadFile(path)
	if err != nil {
		return read, err
	}
	if err := json.Unmarshal(bytes, &read); err != nil {
		return read, fmt.Errorf("%s: %w", path, err)
	}
	return read, nil
}

func check(recorded history) (string, error) {
	end := int64(0)
	for _, one := range recorded.Operations {
		end = max(end, one.Call)
		if one.Return != nil {
			end = max(end, *one.Return)
		}
	}
	operations := make([]porcupine.Operation, 0, len(recorded.Operations))
	for i, one := range recorded.Operations {
		isPut := one.Kind == "put"
		if !isPut && (one.Kind != "get" || one.Return == nil) {
			return "", fmt.Errorf("operation %d is neither a put nor a get with an answer", i)
		}
		returned := end + 1
		if one.Return != nil {
			returned = *one.Return
		}
		if returned < one.Call {
			return "", fmt.Errorf("operation %d returns before its call", i)
		}
		operations = append(operations, porcupine.Operation{
			ClientId: one.Client,
			Input:    input{isPut: isPut, key: one.Key, value: one.Value},
			Call:     one.Call,
			Output:   one.Value,
			Return:   returned,
		})
	}
	switch porcupine.CheckOperationsTimeout(registers, operations, timeLimit) {
	case porcupine.Ok:
		return "ok", nil
	case porcupine.Illegal:
		return "illegal", nil
	default:
		return "undecided", nil
	}
}

func main() {
	status := 0
	for _, path := range os.Args[1:] {
		recorded, err := read(path)
		result := ""
		if err == nil {
			result, err = check(recorded)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		if result != "ok" {
			status = 1
		}
		line, _ := json.Marshal(verdict{File: path, Verdict: result, Operations: len(recorded.Operations)})
		fmt.Println(string(line))
	}
	os.Exit(status)
}
