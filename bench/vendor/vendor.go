// Package vendor is a fake product that carries out responses over HTTP, for fault tests.
// It remembers idempotency keys, logs every effect before it answers, and fails now and
// then in the ways that make duplicates: it is busy, it breaks off before the effect, and
// it does the effect and never answers.
package vendor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
)

// KeyHeader is the request header with the idempotency key.
const KeyHeader = "Idempotency-Key"

// Effect is one line of the log: a request that was carried out, or recognised as a
// repetition of one that was.
type Effect struct {
	Key      string `json:"key"`
	Verb     string `json:"verb"`
	Action   string `json:"action"`
	Target   string `json:"target"`
	Repeated bool   `json:"repeated"`
}

// Faults are the shares of requests that fail, each in [0, 1]. The zero value fails none.
type Faults struct {
	Seed  uint64
	Busy  float64 // 429 with Retry-After, nothing done
	Break float64 // 500, nothing done
	Reset float64 // connection closed before anything is done
	Mute  float64 // done, and the connection closed without an answer
}

// Vendor is the product. It is an [http.Handler], safe for concurrent use.
type Vendor struct {
	faults Faults

	mu   sync.Mutex
	log  *os.File
	seen map[string]bool
	rand *rand.Rand
}

// Open opens the vendor on its log, which is created if it is missing. What an earlier
// vendor did is remembered; half a line at the end, from a kill, is cut off.
func Open(path string, f Faults) (*Vendor, error) {
	v := &Vendor{faults: f, seen: map[string]bool{}, rand: rand.New(rand.NewPCG(f.Seed, 0x76656e646f72))}
	whole, err := v.load(path)
	if err != nil {
		return nil, err
	}
	v.log, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("vendor log: %w", err)
	}
	if err := v.log.Truncate(whole); err != nil {
		return nil, errors.Join(fmt.Errorf("vendor log: %w", err), v.log.Close())
	}
	return v, nil
}

func (v *Vendor) load(path string) (whole int64, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("vendor log: %w", err)
	}
	for {
		line, rest, found := bytes.Cut(text, []byte{'\n'})
		if !found {
			return whole, nil
		}
		var e Effect
		if err := json.Unmarshal(line, &e); err != nil {
			return 0, fmt.Errorf("vendor log: %w", err)
		}
		v.seen[e.Key] = true
		whole += int64(len(line)) + 1
		text = rest
	}
}

// Close closes the log.
func (v *Vendor) Close() error { return v.log.Close() }

// request is the part of a delivery that the vendor understands.
type request struct {
	Verb   string `json:"verb"` // apply, undo or check
	Action string `json:"action"`
	Target struct {
		Value string `json:"value"`
	} `json:"target"`
}

// ServeHTTP takes one delivery: a POST with a key and a JSON object that names verb, action
// and target. A check changes nothing: its key is that of the action with "/check" behind
// it, and the answer says whether the action was carried out.
func (v *Vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return // the client went away
	}
	key := r.Header.Get(KeyHeader)
	var req request
	if err := json.Unmarshal(body, &req); err != nil || key == "" || req.Action == "" {
		http.Error(w, "want "+KeyHeader+" and a JSON object with action and target", http.StatusBadRequest)
		return
	}
	if req.Verb == "check" {
		v.tell(w, strings.TrimSuffix(key, "/check"))
		return
	}
	f := v.faults
	switch x := v.roll(); {
	case x < f.Busy:
		w.Header().Set("Retry-After", "1")
		http.Error(w, "busy", http.StatusTooManyRequests)
		return
	case x < f.Busy+f.Break:
		http.Error(w, "broken", http.StatusInternalServerError)
		return
	case x < f.Busy+f.Break+f.Reset:
		panic(http.ErrAbortHandler) // net/http closes the connection and stays silent
	case x < f.Busy+f.Break+f.Reset+f.Mute:
		if _, err := v.carryOut(key, req); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		panic(http.ErrAbortHandler)
	}
	id, err := v.carryOut(key, req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, map[string]string{"vendor_ref": id})
}

// tell answers a check.
func (v *Vendor) tell(w http.ResponseWriter, key string) {
	v.mu.Lock()
	state := "absent"
	if v.seen[key] && !v.seen[key+"/undo"] {
		state = "in_place"
	}
	v.mu.Unlock()
	answer(w, map[string]string{"state": state})
}

func answer(w http.ResponseWriter, members map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(members) // the client may be gone; it asks again
}

func (v *Vendor) roll() float64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.rand.Float64()
}

// carryOut logs the effect. A log line that is not whole is an effect that did not happen.
func (v *Vendor) carryOut(key string, req request) (id string, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	line, err := json.Marshal(Effect{Key: key, Verb: req.Verb, Action: req.Action, Target: req.Target.Value, Repeated: v.seen[key]})
	if err != nil {
		return "", err
	}
	if _, err := v.log.Write(append(line, '\n')); err != nil {
		return "", err
	}
	v.seen[key] = true
	return "v-" + key, nil
}
