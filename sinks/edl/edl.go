// Package edl serves block lists over HTTP that firewalls, proxies and resolvers pull:
// external dynamic lists of addresses, domains and URLs, one entry per line. Pulling needs
// no credential of ours at the firewall, and the firewall sees the same list as everybody.
//
// All workers serve the same lists: the entries lie on a compacted topic that each of them
// reads whole (shared.go). The lists are served only when that was read to its end and every
// lease of every partition was written to it: an empty list, served by accident, opens a
// whole firewall. Every entry ends by itself a little after its lease, so that a riposte that
// hangs still releases.
package edl

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/riposte-sec/riposte/internal/config"
	"github.com/riposte-sec/riposte/pipeline"
)

// Config is what a user may set about block lists.
type Config struct {
	// Token protects the lists, as the password of HTTP basic authentication or as a bearer
	// token. Default: none, everybody who reaches the listener may read them.
	Token config.Secret `yaml:"token"`
	// MaxEntries bounds each list; what firewalls hold differs widely. Workers that add at the
	// same moment may exceed it by one each. It must be positive. Default 50000.
	MaxEntries int `yaml:"max_entries"`
	// AllowPrivate lists private addresses too. Default false: they are refused here once
	// more, whatever was decided before.
	AllowPrivate bool `yaml:"allow_private"`
	// Partitions is the number of partitions of the intents topic; the program sets it. The
	// lists are served when the leases of all of them are on the lists. Default 1.
	Partitions int `yaml:"-"`
}

// Default returns the configuration that holds where nothing is set.
func Default() Config { return Config{MaxEntries: 50_000, Partitions: 1} }

// Validate returns every problem of the configuration, joined.
func (c *Config) Validate() error {
	var errs []error
	if c.MaxEntries <= 0 {
		errs = append(errs, errors.New("max_entries: must be positive"))
	}
	if c.Partitions <= 0 {
		errs = append(errs, errors.New("partitions: must be positive"))
	}
	return errors.Join(errs...)
}

// lists are the lists that are served, and the action that feeds each.
var lists = map[string]string{"ip.block": "ip", "domain.block": "domain", "url.block": "url"}

// callTimeout is generous: a call is one record that is written and read back.
const callTimeout = 10 * time.Second

// Sink is the connector, and the handler that serves the lists. It is safe for concurrent
// use.
type Sink struct {
	cfg   Config
	token string
	now   func() time.Time

	mu       sync.Mutex
	put      pipeline.Put
	learned  bool                          // all that lay on the topic at the start was learned
	lists    map[string]map[string]holders // list -> entry -> who holds it
	restored map[int]bool                  // partitions
	rendered map[string]page
}

// holders are the leases that want an entry, and until when; zero is open.
type holders map[pipeline.ID]pipeline.Millis

// page is a list as it is served, until something ends.
type page struct {
	body  []byte
	etag  string
	until pipeline.Millis // first moment at which an entry ends, 0 = none does
}

// New returns the connector. It reads the token once. now is the clock, time.Now in
// programs.
func New(cfg Config, now func() time.Time) (*Sink, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("edl: %w", err)
	}
	s := &Sink{
		cfg: cfg, now: now, learned: true,
		lists: map[string]map[string]holders{}, restored: map[int]bool{}, rendered: map[string]page{},
	}
	s.put = s.keep
	for _, name := range lists {
		s.lists[name] = map[string]holders{}
	}
	if !cfg.Token.IsZero() {
		var err error
		if s.token, err = cfg.Token.Reveal(); err != nil {
			return nil, fmt.Errorf("edl: token: %w", err)
		}
	}
	return s, nil
}

// Actions returns ip.block, domain.block and url.block.
func (s *Sink) Actions() []pipeline.ActionSpec {
	spec := func(name string, kind pipeline.EntityKind) pipeline.ActionSpec {
		return pipeline.ActionSpec{
			Name: name, Effect: pipeline.EffectBlock, Idempotency: pipeline.IdemState, Undo: true, Volatile: true,
			Targets: []pipeline.EntityKind{kind}, Timeout: callTimeout,
		}
	}
	return []pipeline.ActionSpec{
		spec("domain.block", pipeline.EntityDomain), spec("ip.block", pipeline.EntityIP), spec("url.block", pipeline.EntityURL),
	}
}

// entry returns the list and the canonical line of an action. What must not be on a block
// list is refused here too, where the value is final.
func (s *Sink) entry(a *pipeline.Action) (list, line string, err error) {
	list, ok := lists[a.Name]
	if !ok {
		return "", "", reject(reasonAction, "no action %q", a.Name)
	}
	switch list {
	case "ip":
		line, err = s.address(a.Target.Value)
	case "domain":
		line, err = domain(a.Target.Value)
	default:
		line, err = link(a.Target.Value)
	}
	return list, line, err
}

func (s *Sink) address(value string) (string, error) {
	ip, err := netip.ParseAddr(value)
	if err != nil || ip.Zone() != "" {
		return "", reject(reasonTarget, "%.60q is no address", value)
	}
	ip = ip.Unmap()
	switch {
	case ip.IsLoopback(), ip.IsUnspecified(), ip.IsMulticast(), ip.IsLinkLocalUnicast():
		return "", reject(reasonProtected, "%s is on the never list", ip)
	case ip.IsPrivate() && !s.cfg.AllowPrivate:
		return "", reject(reasonProtected, "%s is private", ip)
	}
	return ip.String(), nil
}

func domain(value string) (string, error) {
	value = strings.ToLower(strings.TrimSuffix(value, "."))
	bad := strings.ContainsFunc(value, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != '_'
	})
	if bad || len(value) > 253 || !strings.Contains(value, ".") || strings.Contains(value, "..") || strings.HasPrefix(value, ".") {
		return "", reject(reasonTarget, "%.60q is no domain below a top-level one", value)
	}
	return value, nil
}

// link returns a URL without its scheme, the form that external dynamic lists have.
func link(value string) (string, error) {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || len(value) > 2048 || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return "", reject(reasonTarget, "%.60q is no absolute URL", value)
	}
	return strings.TrimPrefix(strings.TrimPrefix(value, u.Scheme+":"), "//"), nil
}

// Check reports whether the list that is served has this lease's entry. That of another
// lease does not count: each lease holds the entry for itself, and the entry ends with the
// last. While no list is served there is nothing to see.
func (s *Sink) Check(_ context.Context, a pipeline.Action) (pipeline.State, error) {
	list, line, err := s.entry(&a)
	if err != nil {
		return pipeline.State{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.whole() {
		return pipeline.State{}, pipeline.AsRetry(reasonRestoring, time.Second, errors.New("edl: the lists are not served yet"))
	}
	until, held := s.lists[list][line][a.Intent]
	if !held || over(until, s.millis()) {
		return pipeline.State{State: pipeline.StateAbsent}, nil
	}
	return pipeline.State{State: pipeline.StateInPlace, VendorRef: list + "/" + line}, nil
}

// Apply puts the entry on its list until the action's end, for all workers.
func (s *Sink) Apply(ctx context.Context, a pipeline.Action) (pipeline.State, error) {
	list, line, err := s.entry(&a)
	if err != nil {
		return pipeline.State{}, err
	}
	put, err := s.room(list, line)
	if err != nil {
		return pipeline.State{}, err
	}
	value, err := json.Marshal(held{a.Expires})
	if err != nil {
		return pipeline.State{}, fmt.Errorf("edl: %w", err)
	}
	if err := put(ctx, entryKey(list, line, a.Intent), value); err != nil {
		return pipeline.State{}, fmt.Errorf("edl: %w", err)
	}
	return pipeline.State{State: pipeline.StateInPlace, VendorRef: list + "/" + line}, nil
}

// room returns what writes the entry, if the list has room for it.
func (s *Sink) room(list, line string) (pipeline.Put, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lists[list][line] == nil && len(s.lists[list]) >= s.cfg.MaxEntries && s.sweep(list) == 0 {
		return nil, reject(reasonFull, "list %s has %d entries", list, len(s.lists[list]))
	}
	return s.put, nil
}

// Undo takes this lease's hold on the entry away, for all workers. The entry goes with the
// last hold.
func (s *Sink) Undo(ctx context.Context, a pipeline.Action) (pipeline.State, error) {
	list, line, err := s.entry(&a)
	if err != nil {
		return pipeline.State{}, err
	}
	s.mu.Lock()
	put := s.put
	s.mu.Unlock()
	if err := put(ctx, entryKey(list, line, a.Intent), nil); err != nil {
		return pipeline.State{}, fmt.Errorf("edl: %w", err)
	}
	return pipeline.State{State: pipeline.StateAbsent}, nil
}

// Restored tells that every lease of one partition, named by a.VendorRef, is on its list.
func (s *Sink) Restored(ctx context.Context, a pipeline.Action) error {
	n, err := strconv.Atoi(a.VendorRef)
	if err != nil {
		return reject(reasonTarget, "BUG: partition %q", a.VendorRef)
	}
	s.mu.Lock()
	put, done := s.put, s.restored[n]
	s.mu.Unlock()
	if done {
		return nil
	}
	if err := put(ctx, markKey(n), []byte("{}")); err != nil {
		return fmt.Errorf("edl: %w", err)
	}
	return nil
}

// Ready reports whether the lists are whole and served.
func (s *Sink) Ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.whole()
}

// whole reports whether nothing can be missing on the lists. The lock is held.
func (s *Sink) whole() bool {
	if !s.learned {
		return false
	}
	for n := range s.cfg.Partitions {
		if !s.restored[n] {
			return false
		}
	}
	return true
}

func (s *Sink) millis() pipeline.Millis { return pipeline.MillisOf(s.now()) }

func over(until, now pipeline.Millis) bool { return until != 0 && until <= now }

// sweep drops what is over and returns how many entries went. The lock is held.
func (s *Sink) sweep(list string) (gone int) {
	now := s.millis()
	for line, h := range s.lists[list] {
		for id, until := range h {
			if over(until, now) {
				delete(h, id)
			}
		}
		if len(h) == 0 {
			delete(s.lists[list], line)
			gone++
		}
	}
	return gone
}

// render returns the list as it is now. ok is false until everything was restored.
func (s *Sink) render(list string) (p page, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.whole() {
		return page{}, false
	}
	now := s.millis()
	if p, ok = s.rendered[list]; ok && !over(p.until, now) {
		return p, true
	}
	s.sweep(list)
	lines := make([]string, 0, len(s.lists[list]))
	p = page{}
	for line, h := range s.lists[list] {
		lines = append(lines, line)
		for _, until := range h {
			if until != 0 && (p.until == 0 || until < p.until) {
				p.until = until
			}
		}
	}
	if list == "ip" {
		slices.SortFunc(lines, func(a, b string) int { return netip.MustParseAddr(a).Compare(netip.MustParseAddr(b)) })
	} else {
		slices.Sort(lines)
	}
	for _, l := range lines {
		p.body = append(append(p.body, l...), '\n')
	}
	sum := sha256.Sum256(p.body)
	p.etag = `"` + hex.EncodeToString(sum[:16]) + `"`
	s.rendered[list] = p
	return p, true
}
