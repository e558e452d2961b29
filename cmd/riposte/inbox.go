package main

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/riposte-sec/riposte/sinks/webhook"
)

// inbox is the receiver that `riposte up` gives its webhook connector: it plays the ticket
// system, the pager and the identity provider of the invented organisation. It checks
// signatures, knows a repeated id, and keeps every delivery as a line of a file, so that
// what it did is there after a restart and can be read.
type inbox struct {
	key    string
	server *http.Server
	addr   string
	now    func() time.Time

	mu    sync.Mutex
	file  *os.File
	seen  map[string]string // Riposte-Id -> state that was answered
	state map[string]bool   // action and target that are in place
}

// letter is a delivery as it is kept.
type letter struct {
	ID     string `json:"riposte_id"`
	At     string `json:"at"`
	Verb   string `json:"verb"`
	Action string `json:"action"`
	Target struct {
		Kind  string `json:"kind"`
		Value string `json:"value"`
	} `json:"target"`
	Text map[string]string `json:"text,omitempty"`
}

// maxLetter is the largest delivery that the inbox takes.
const maxLetter = 256 << 10

// openInbox starts the receiver on a free loopback port; path is the file of its letters.
func openInbox(ctx context.Context, path string) (*inbox, error) {
	b := &inbox{now: time.Now, seen: map[string]string{}, state: map[string]bool{}}
	secret := make([]byte, 24)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	b.key = hex.EncodeToString(secret)
	var err error
	if b.file, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600); err != nil {
		return nil, err
	}
	if err := b.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), b.file.Close())
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, b.file.Close())
	}
	b.addr = l.Addr().String()
	b.server = &http.Server{Handler: b, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second}
	go func() { _ = b.server.Serve(l) }() // ends with close
	return b, nil
}

// load reads the letters of earlier starts. A last line that was cut off by a crash was
// never answered and is dropped.
func (b *inbox) load() error {
	r := bufio.NewReader(b.file)
	whole := int64(0)
	for {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return b.file.Truncate(whole)
		}
		if err != nil {
			return err
		}
		whole += int64(len(line))
		var l letter
		if err := json.Unmarshal(line, &l); err != nil {
			return err
		}
		b.apply(l)
	}
}

// apply notes what a letter brings about and returns the state to answer with.
func (b *inbox) apply(l letter) string {
	target := l.Action + " " + l.Target.Kind + ":" + l.Target.Value
	switch l.Verb {
	case "apply":
		b.state[target] = true
	case "undo":
		delete(b.state, target)
	}
	state := "absent"
	if b.state[target] {
		state = "in_place"
	}
	if l.Verb != "check" {
		b.seen[l.ID] = state
	}
	return state
}

// ServeHTTP takes a delivery.
func (b *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxLetter))
	if err != nil {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	}
	if !b.signed(r.Header, body) {
		http.Error(w, "the signature is wrong", http.StatusUnauthorized)
		return
	}
	l := letter{ID: r.Header.Get(webhook.HeaderID), At: b.now().UTC().Format(time.RFC3339)}
	if err := json.Unmarshal(body, &l); err != nil {
		http.Error(w, "not a delivery", http.StatusBadRequest)
		return
	}
	state, err := b.take(l)
	if err != nil {
		http.Error(w, "cannot be kept", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{"state": state, "vendor_ref": "DEMO-" + strings.SplitN(l.ID, "-", 2)[0]})
}

// take keeps a letter that was not seen before, then does what it says.
func (b *inbox) take(l letter) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l.Verb == "check" {
		return b.apply(l), nil
	}
	if state, again := b.seen[l.ID]; again {
		return state, nil
	}
	line, err := json.Marshal(l)
	if err != nil {
		return "", err
	}
	if _, err := b.file.Write(append(line, '\n')); err != nil {
		return "", err
	}
	return b.apply(l), nil
}

// signed reports whether one of the signatures is ours.
func (b *inbox) signed(h http.Header, body []byte) bool {
	mac := hmac.New(sha256.New, []byte(b.key))
	mac.Write([]byte(h.Get(webhook.HeaderTimestamp) + "."))
	mac.Write(body)
	want := "v1=" + hex.EncodeToString(mac.Sum(nil)) + ";"
	for sig := range strings.SplitSeq(h.Get(webhook.HeaderSignature), ", ") {
		if len(sig) >= len(want) && hmac.Equal([]byte(sig[:len(want)]), []byte(want)) {
			return true
		}
	}
	return false
}

// close stops the receiver.
func (b *inbox) close(ctx context.Context) error {
	return errors.Join(b.server.Shutdown(ctx), b.file.Close())
}
