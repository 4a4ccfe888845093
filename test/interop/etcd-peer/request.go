package main

import (
	"errors"
	"strconv"
	"strings"
)

// request is one line of a client; the protocol is described in examples-c/kv/kv_request.h.
type request struct {
	id     requestID
	oldest uint64
	verb   string
	first  string
	second string
}

var argumentsOf = map[string]int{
	"SET": 2, "DEL": 1, "GET": 1, "MEMBERS": 0, "ADD": 2, "REMOVE": 1, "TRANSFER": 1, "SNAPSHOT": 0, "STATUS": 0,
	"LEADER": 0, "DIGEST": 0,
}

func parseID(text string, to *request) error {
	parts := strings.Split(text, ".")
	if len(parts) != 2 && len(parts) != 3 {
		return errors.New("a line begins with its id: <client>.<sequence>[.<oldest>]")
	}
	numbers := make([]uint64, len(parts))
	for i, part := range parts {
		number, err := strconv.ParseUint(part, 10, 64)
		if err != nil {
			return err
		}
		numbers[i] = number
	}
	to.id = requestID{client: numbers[0], sequence: numbers[1]}
	to.oldest = numbers[len(numbers)-1]
	if len(numbers) == 2 {
		to.oldest = to.id.sequence
	}
	if to.id.sequence == 0 || to.oldest > to.id.sequence {
		return errors.New("a sequence counts from 1 on, and the oldest is not above it")
	}
	return nil
}

func parseRequest(line string) (request, error) {
	var r request
	id, rest, _ := strings.Cut(line, " ")
	if err := parseID(id, &r); err != nil {
		return r, err
	}
	verb, rest, hasRest := strings.Cut(rest, " ")
	arguments, known := argumentsOf[verb]
	if !known {
		return r, errors.New("this verb is not known")
	}
	r.verb, r.first = verb, rest
	hasSecond := false
	if arguments == 2 {
		r.first, r.second, hasSecond = strings.Cut(rest, " ")
	}
	switch {
	case arguments > 0 && r.first == "":
		return r, errors.New("an argument is missing")
	case arguments == 2 && !hasSecond:
		return r, errors.New("the second argument is missing")
	case arguments == 0 && hasRest:
		return r, errors.New("this verb has no arguments")
	}
	return r, nil
}
