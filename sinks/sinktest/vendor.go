// Package sinktest is what the tests of connectors share: a fake product behind HTTP that
// fails as real ones do, and the checks that every connector must pass.
package sinktest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// Word is what the vendor does with one request.
type Word string

// The words of a script. After the last one every request is OK.
const (
	OK      Word = "ok"      // carried out and answered
	Timeout Word = "timeout" // carried out, and never answered
	Hang    Word = "hang"    // not carried out, and never answered
	Reset   Word = "reset"   // the connection is closed, nothing was carried out
	Mute    Word = "mute"    // carried out, then the connection is closed
	Busy    Word = "busy"    // 429 with Retry-After: 3, nothing carried out
	Broken  Word = "broken"  // 500, nothing carried out
	Refuse  Word = "refuse"  // 400, nothing carried out
	Garbage Word = "garbage" // carried out, answered with a page of HTML
)

// Vendor is a product that carries actions out. It knows deliveries that it has seen by
// their Riposte-Id and does not carry them out again. It is strict: a request that breaks
// the protocol fails the test. It is safe for concurrent use.
type Vendor struct {
	tb     testing.TB
	server *httptest.Server
	verify func(h http.Header, body []byte) error
	done   chan struct{} // closed when the test ends, to let hanging requests go

	mu       sync.Mutex
	script   []Word
	seen     map[string]bool
	inPlace  map[string]bool
	effects  map[string]int
	requests []string
}

// NewVendor starts a vendor that follows script and ends with the test. verify checks the
// signature of each delivery; nil checks nothing.
func NewVendor(tb testing.TB, verify func(h http.Header, body []byte) error, script ...Word) *Vendor {
	tb.Helper()
	v := &Vendor{
		tb: tb, verify: verify, script: script, done: make(chan struct{}),
		seen: map[string]bool{}, inPlace: map[string]bool{}, effects: map[string]int{},
	}
	v.server = httptest.NewServer(http.HandlerFunc(v.serve))
	tb.Cleanup(func() {
		close(v.done)
		v.server.Close()
	})
	return v
}

// URL returns where the vendor listens: plain HTTP on the loopback address.
func (v *Vendor) URL() string { return v.server.URL + "/hook" }

// Script replaces what is left of the script.
func (v *Vendor) Script(words ...Word) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.script = words
}

// Effects returns how often action was carried out on the target, repetitions not counted.
func (v *Vendor) Effects(action, target string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.effects[action+" "+target]
}

// InPlace reports whether the action is in place on the target.
func (v *Vendor) InPlace(action, target string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.inPlace[action+" "+target]
}

// Requests returns what came in so far: verb, action and target of each.
func (v *Vendor) Requests() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.requests)
}

// request is the part of a delivery that the vendor reads.
type request struct {
	Verb   string `json:"verb"`
	Intent string `json:"intent_id"`
	Action string `json:"action"`
	Target struct {
		Kind  string `json:"kind"`
		Value string `json:"value"`
	} `json:"target"`
}

func (v *Vendor) serve(w http.ResponseWriter, r *http.Request) {
	req, ok := v.read(w, r)
	if !ok {
		return
	}
	word, what := v.next(req), req.Action+" "+req.Target.Value
	switch word {
	case Busy:
		w.Header().Set("Retry-After", "3")
		http.Error(w, "busy", http.StatusTooManyRequests)
		return
	case Broken:
		http.Error(w, "broken", http.StatusInternalServerError)
		return
	case Refuse:
		http.Error(w, "refused", http.StatusBadRequest)
		return
	case Reset:
		panic(http.ErrAbortHandler)
	case Hang:
		v.hang(r)
		return
	default: // carried out
	}
	state := v.carryOut(r.Header.Get("Riposte-Id"), req.Verb, what)
	switch word {
	case Timeout:
		v.hang(r)
	case Mute:
		panic(http.ErrAbortHandler)
	case Garbage:
		_, _ = io.WriteString(w, "<html>thank you</html>")
	default:
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"state":%q,"vendor_ref":%q}`, state, "v-"+req.Target.Value)
	}
}

// hang waits until the client or the test gives up.
func (v *Vendor) hang(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-v.done:
	}
	panic(http.ErrAbortHandler)
}

// read checks that the request keeps to the protocol.
func (v *Vendor) read(w http.ResponseWriter, r *http.Request) (req request, ok bool) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	fail := func(format string, args ...any) (request, bool) {
		v.tb.Errorf("vendor: "+format, args...)
		http.Error(w, "protocol", http.StatusTeapot)
		return req, false
	}
	switch {
	case err != nil:
		return req, false // the client went away
	case r.Method != http.MethodPost || r.URL.Path != "/hook":
		return fail("%s %s, want POST /hook", r.Method, r.URL.Path)
	case r.Header.Get("Content-Type") != "application/json":
		return fail("content type %q, want application/json", r.Header.Get("Content-Type"))
	case r.Header.Get("Riposte-Id") == "":
		return fail("no Riposte-Id")
	}
	if err := json.Unmarshal(body, &req); err != nil {
		return fail("body: %v", err)
	}
	if req.Intent == "" || req.Action == "" || req.Target.Kind == "" || req.Target.Value == "" {
		return fail("body without intent, action or target: %s", body)
	}
	if !slices.Contains([]string{"apply", "check", "undo"}, req.Verb) {
		return fail("verb %q", req.Verb)
	}
	if v.verify != nil {
		if err := v.verify(r.Header, body); err != nil {
			return fail("%v", err)
		}
	}
	return req, true
}

func (v *Vendor) next(req request) Word {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.requests = append(v.requests, req.Verb+" "+req.Action+" "+req.Target.Value)
	if len(v.script) == 0 {
		return OK
	}
	word := v.script[0]
	v.script = v.script[1:]
	return word
}

// carryOut does what a verb says, once per id, and returns the state that follows.
func (v *Vendor) carryOut(id, verb, what string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case verb == "check", v.seen[id]:
	case verb == "undo":
		v.inPlace[what] = false
	default:
		if !v.inPlace[what] {
			v.effects[what]++
		}
		v.inPlace[what] = true
	}
	if verb != "check" {
		v.seen[id] = true
	}
	if v.inPlace[what] {
		return "in_place"
	}
	return "absent"
}

// Clock is a clock that a test sets.
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// NewClock returns a clock that shows at.
func NewClock(at time.Time) *Clock { return &Clock{at: at} }

// Now returns what the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Pass puts the clock forward.
func (c *Clock) Pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}
