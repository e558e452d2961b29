package proc

import (
	"errors"
	"fmt"
	"net"
)

// FreePorts returns n different TCP ports of 127.0.0.1 that nobody listens on. All n are
// held until the last one is found, so they differ; another process may still take one
// before the caller does.
func FreePorts(n int) (ports []int, err error) {
	held := make([]net.Listener, 0, n)
	defer func() {
		for _, l := range held {
			err = errors.Join(err, l.Close())
		}
	}()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // binds and returns at once
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		held = append(held, l)
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
