package edl

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strconv"
	"strings"
)

// ServeHTTP serves /ip, /domain and /url, with or without ".txt" and below any prefix: one
// entry per line, sorted, with an ETag. Before the lists are whole the answer is 503.
func (s *Sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	list := strings.TrimSuffix(r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:], ".txt")
	if _, ok := s.lists[list]; !ok {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "want GET or HEAD", http.StatusMethodNotAllowed)
		return
	}
	if !s.admits(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="riposte"`)
		http.Error(w, "want the token", http.StatusUnauthorized)
		return
	}
	p, ok := s.render(list)
	if !ok {
		w.Header().Set("Retry-After", "5")
		http.Error(w, "the list is being restored", http.StatusServiceUnavailable)
		return
	}
	h := w.Header()
	h.Set("ETag", p.etag)
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	if match(r.Header.Get("If-None-Match"), p.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(p.body)))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		_, _ = w.Write(p.body) // a firewall that hangs up pulls again
	}
}

// admits compares digests, so that neither the token's length nor a prefix of it shows in
// the time that it takes.
func (s *Sink) admits(r *http.Request) bool {
	if s.token == "" {
		return true
	}
	_, given, ok := r.BasicAuth()
	if !ok {
		given, ok = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	}
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(s.token))
	return ok && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// match implements If-None-Match (RFC 9110, 13.1.2) with the weak comparison.
func match(header, etag string) bool {
	for tag := range strings.SplitSeq(header, ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		if tag == "*" || tag == etag {
			return true
		}
	}
	return false
}
