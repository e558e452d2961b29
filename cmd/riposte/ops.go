package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sort"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// ops is the listener for operators: /metrics, /healthz (the process is alive) and /readyz
// (every part says that it works).
type ops struct {
	registry *prometheus.Registry
	server   *http.Server
	listener net.Listener

	mu     sync.Mutex
	checks map[string]func(context.Context) error
}

// startOps listens on addr; an empty addr gives an ops that collects but does not serve.
func startOps(ctx context.Context, addr string, log *slog.Logger) (*ops, error) {
	o := &ops{registry: prometheus.NewRegistry(), checks: make(map[string]func(context.Context) error)}
	o.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if addr == "" {
		return o, nil
	}
	var err error
	if o.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", addr); err != nil {
		return nil, failWith(exitNotConnected, fmt.Errorf("http.listen: %w", err))
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", o.ready)
	o.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10}
	go func() {
		if err := o.server.Serve(o.listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics listener stopped", "err", err)
		}
	}()
	return o, nil
}

// addr is where it listens, or nothing.
func (o *ops) addr() string {
	if o.listener == nil {
		return ""
	}
	return o.listener.Addr().String()
}

// check adds a part whose health /readyz asks for.
func (o *ops) check(name string, ask func(context.Context) error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.checks[name] = ask
}

// ready answers 200 if every part works, else 503, with each part's word.
func (o *ops) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	o.mu.Lock()
	names := make([]string, 0, len(o.checks))
	for n := range o.checks {
		names = append(names, n)
	}
	o.mu.Unlock()
	sort.Strings(names)
	parts := make(map[string]string, len(names))
	status := http.StatusOK
	for _, n := range names {
		o.mu.Lock()
		ask := o.checks[n]
		o.mu.Unlock()
		parts[n] = "ok"
		if err := ask(ctx); err != nil {
			parts[n], status = err.Error(), http.StatusServiceUnavailable
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(parts) // the client is gone if this fails
}

// close stops listening and waits for requests under way.
func (o *ops) close(ctx context.Context) error {
	if o.server == nil {
		return nil
	}
	return o.server.Shutdown(ctx)
}
