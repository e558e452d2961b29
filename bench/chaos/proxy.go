package main

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// proxy stands between the workers and ClickHouse. While it drops replies, a connection
// over which an insert went is cut a moment later: the server has applied the insert, the
// worker never hears of it.
type proxy struct {
	listener net.Listener
	target   string
	dropping atomic.Bool

	mu    sync.Mutex
	conns map[net.Conn]bool
	wg    sync.WaitGroup
}

// insertBytes is more than any query without data has.
const insertBytes = 4 << 10

func startProxy(target string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // binds and returns at once
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: l, target: target, conns: map[net.Conn]bool{}}
	p.wg.Go(p.accept)
	return p, nil
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) dropReplies(on bool) { p.dropping.Store(on) }

func (p *proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.wg.Go(func() { p.serve(c) })
	}
}

func (p *proxy) serve(client net.Conn) {
	defer p.forget(client)
	p.remember(client)
	server, err := net.Dial("tcp", p.target) //nolint:noctx // ends with the connection
	if err != nil {
		return
	}
	defer p.forget(server)
	p.remember(server)
	var sent atomic.Int64
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(server, io.TeeReader(client, counter{&sent}))
		_ = server.Close()
	})
	both.Go(func() {
		p.replies(client, server, &sent)
		_ = client.Close()
	})
	both.Wait()
}

// replies passes on what the server says until an insert went by while replies are dropped.
func (p *proxy) replies(client, server net.Conn, sent *atomic.Int64) {
	buf := make([]byte, 64<<10)
	inserted := int64(0)
	for {
		n, err := server.Read(buf)
		if p.dropping.Load() && sent.Load()-inserted > insertBytes {
			time.Sleep(200 * time.Millisecond) // let the server finish applying it
			return
		}
		inserted = sent.Load()
		if n > 0 {
			if _, err := client.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *proxy) remember(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = true
}

func (p *proxy) forget(c net.Conn) {
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
	_ = c.Close()
}

func (p *proxy) close() error {
	err := p.listener.Close()
	p.mu.Lock()
	for c := range p.conns {
		err = errors.Join(err, c.Close())
	}
	p.mu.Unlock()
	p.wg.Wait()
	return err
}

// counter counts the bytes that pass.
type counter struct{ n *atomic.Int64 }

func (c counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}
