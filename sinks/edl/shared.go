package edl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
)

// What lies on the topic is text, so that people can read it:
//
//	ip 203.0.113.7 0f3b...-...   {"until":1764061200000}   a lease holds an entry; 0 is open
//	ip 203.0.113.7 0f3b...-...   no value                  it does not any more
//	restored 3                   {}                        all leases of partition 3 are there
//
// An entry holds no space. The marks of the partitions lie on the topic too: they are as lost
// as the entries if somebody deletes it, and the lists are not served until all are written
// anew.
const markWord = "restored"

// held is the value of an entry.
type held struct {
	Until pipeline.Millis `json:"until"`
}

func entryKey(list, line string, intent pipeline.ID) []byte {
	return fmt.Appendf(nil, "%s %s %s", list, line, intent)
}

func markKey(partition int) []byte { return fmt.Appendf(nil, "%s %d", markWord, partition) }

var _ pipeline.Sharing = (*Sink)(nil)

// Share implements [pipeline.Sharing].
func (s *Sink) Share(put pipeline.Put) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put, s.learned = put, false
}

// keep is the put of a sink that shares with nobody.
func (s *Sink) keep(_ context.Context, key, value []byte) error {
	return s.Learn(&pipeline.Record{Key: key, Value: value})
}

// Learned implements [pipeline.Sharing].
func (s *Sink) Learned() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.learned = true
}

// Learn implements [pipeline.Sharing]. What must not be on a list is refused here once more:
// others may be able to write to the topic.
func (s *Sink) Learn(r *pipeline.Record) error {
	word, rest, _ := strings.Cut(string(r.Key), " ")
	if word == markWord {
		return s.learnMark(rest, r.Value)
	}
	line, id, _ := strings.Cut(rest, " ")
	var intent pipeline.ID
	if err := intent.UnmarshalText([]byte(id)); err != nil {
		return fmt.Errorf("edl: key %.80q: %w", r.Key, err)
	}
	if err := s.listable(word, line); err != nil {
		return err
	}
	if len(r.Value) == 0 {
		s.drop(word, line, intent)
		return nil
	}
	h, err := decodeHeld(r.Value)
	if err != nil {
		return fmt.Errorf("edl: %.80q: %w", r.Key, err)
	}
	s.hold(word, line, intent, h.Until)
	return nil
}

func (s *Sink) learnMark(partition string, value []byte) error {
	n, err := strconv.Atoi(partition)
	if err != nil || n < 0 {
		return fmt.Errorf("edl: mark of partition %.20q", partition)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(value) == 0 {
		delete(s.restored, n)
	} else {
		s.restored[n] = true
	}
	return nil
}

func decodeHeld(value []byte) (h held, err error) {
	d := json.NewDecoder(bytes.NewReader(value))
	if err := d.Decode(&h); err != nil {
		return h, err
	}
	if h.Until < 0 {
		return h, errors.New("an end before 1970")
	}
	return h, nil
}

// listable reports whether a line is one that a list of ours may have, in its one form.
func (s *Sink) listable(list, line string) (err error) {
	var canonical string
	switch list {
	case "ip":
		canonical, err = s.address(line)
	case "domain":
		canonical, err = domain(line)
	case "url":
		canonical, err = link("x://" + line)
	default:
		return fmt.Errorf("edl: no list %.20q", list)
	}
	if err == nil && canonical != line {
		err = fmt.Errorf("edl: %s entry %.80q is not in its canonical form", list, line)
	}
	return err
}

func (s *Sink) hold(list, line string, intent pipeline.ID, until pipeline.Millis) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.lists[list][line]
	if h == nil {
		h = holders{}
		s.lists[list][line] = h
	}
	if old, ok := h[intent]; !ok || old != until {
		h[intent] = until
		delete(s.rendered, list)
	}
}

func (s *Sink) drop(list, line string, intent pipeline.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.lists[list][line]
	if _, ok := h[intent]; !ok {
		return
	}
	delete(h, intent)
	if len(h) == 0 {
		delete(s.lists[list], line)
	}
	delete(s.rendered, list)
}
