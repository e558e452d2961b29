package embedded

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"time"
)

const loopback = "127.0.0.1"

// choosePorts returns the given ports, with free ones in place of zeros. Both
// are held until both are chosen, so they differ.
func choosePorts(tcp, http int) (int, int, error) {
	for _, p := range []*int{&tcp, &http} {
		if *p != 0 {
			continue
		}
		l, err := net.Listen("tcp4", net.JoinHostPort(loopback, "0")) //nolint:noctx // a local bind does not block
		if err != nil {
			return 0, 0, fmt.Errorf("clickhouse: choose a port: %w", err)
		}
		defer func() { _ = l.Close() }()  // it only held the port
		*p = l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // a tcp listener has no other kind
	}
	return tcp, http, nil
}

// awaitReady asks the server until it answers for its own directory, and returns
// its version. HTTP is asked because it starts last; the directory is asked for
// because another ClickHouse may listen on a port that ours could not have.
func (s *Server) awaitReady(ctx context.Context, data string) (string, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		version, err := ask(ctx, client, s.HTTPAddr, data)
		if err == nil {
			return version, nil
		}
		select {
		case <-s.exited:
			return "", fmt.Errorf("server ended: %w", endOf(s.status))
		case <-ctx.Done():
			return "", fmt.Errorf("no answer: %w (last: %w)", ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// ask returns the version of the server at addr if that server's default disk is
// data.
func ask(ctx context.Context, client *http.Client, addr, data string) (string, error) {
	const query = "SELECT version() AS version, path FROM system.disks WHERE name = 'default' FORMAT JSONEachRow"
	u := url.URL{Scheme: "http", Host: addr, Path: "/", RawQuery: url.Values{"query": {query}}.Encode()}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return "", err
	}
	var got struct{ Version, Path string }
	if err := json.Unmarshal(body, &got); err != nil {
		return "", fmt.Errorf("answer %q: %w", body, err)
	}
	if filepath.Clean(got.Path) != filepath.Clean(data) {
		return "", fmt.Errorf("another server, with its data in %s, answers at %s", got.Path, addr)
	}
	return got.Version, nil
}

// endOf turns the status of a process that ended too early into an error that is
// never nil.
func endOf(status error) error {
	if status == nil {
		return io.ErrUnexpectedEOF
	}
	return status
}
