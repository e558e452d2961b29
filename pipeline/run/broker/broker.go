// Package broker is a Kafka broker inside the process: franz-go's kfake with its data on
// disk. It speaks the real protocol, transactions and consumer groups included, and what
// it acknowledged survives kill -9. It keeps a single copy and does all work in one
// goroutine: it is for trying riposte out and for tests, not for production.
package broker

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Banner is what a program that runs on the embedded broker must show.
const Banner = "embedded Kafka broker: a single copy of the data on this machine, not for production"

// Config says where the broker keeps its data and where it listens.
type Config struct {
	// Dir is the folder of the data. It is created if it is missing. Empty keeps everything
	// in memory.
	Dir string
	// Port on 127.0.0.1. Zero chooses a free one.
	Port int
	// NoSync leaves it to the operating system when data reaches the disk: faster, and still
	// safe against kill -9, but not against a power cut.
	NoSync bool
	// Options are added as they are; tests use them to inject faults.
	Options []kfake.Opt
}

// ErrLocked says that another process uses the folder.
var ErrLocked = errors.New("another process uses this folder")

// Broker is a running broker. Its methods are safe for concurrent use.
type Broker struct {
	cluster *kfake.Cluster
	lock    *os.File // nil when everything is in memory
	life    uint64   // see lives.go
	commits *commits // nil when everything is in memory
}

// Start starts a broker and returns when it accepts connections. The data that Dir holds
// is there again. The error matches ErrLocked if another process uses Dir, and ErrFull if
// there is no room for more. A disk that fills up later makes producers wait.
func Start(cfg Config) (*Broker, error) {
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ClusterID("riposte-embedded"),
		// A broker that is the only one on a machine need not wait long for a member that died.
		kfake.GroupMinSessionTimeout(time.Second),
	}
	if cfg.Port != 0 {
		opts = append(opts, kfake.Ports(cfg.Port))
	}
	b := &Broker{}
	if cfg.Dir != "" {
		if err := b.open(cfg); err != nil {
			return nil, errors.Join(err, b.unlock())
		}
		opts = append(opts, kfake.DataDir(dataDir(cfg)))
		if !cfg.NoSync {
			opts = append(opts, kfake.SyncWrites())
		}
	}
	cluster, err := kfake.NewCluster(append(opts, cfg.Options...)...)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("embedded broker: %w", err), b.unlock())
	}
	suffixTransactions(cluster, b.life)
	if cfg.Dir != "" {
		refuseWhenFull(cluster, func() (uint64, error) { return free(cfg.Dir) })
	}
	stampAppendTime(cluster)
	ShareAnswers(cluster)
	if b.commits != nil {
		b.commits.watch(cluster)
	}
	b.cluster = cluster
	return b, nil
}

// open takes the folder and reads what it says of former lives.
func (b *Broker) open(cfg Config) (err error) {
	if b.lock, err = lockDir(cfg.Dir); err != nil {
		return err
	}
	left, err := free(cfg.Dir)
	if err == nil && left < reserve {
		err = fmt.Errorf("embedded broker: %s: %w: %d MiB are free, %d are needed", cfg.Dir, ErrFull, left>>20, reserve>>20)
	}
	if err != nil {
		return err
	}
	var crashed bool
	if b.life, crashed, err = beginLife(b.lock); err != nil {
		return err
	}
	if b.commits, err = openCommits(cfg.Dir, dataDir(cfg), !cfg.NoSync); err != nil || !crashed {
		return err
	}
	if err := rebuildSequences(dataDir(cfg)); err != nil {
		return errors.Join(fmt.Errorf("embedded broker: %w", err), b.commits.close())
	}
	return nil
}

// dataDir is where the cluster keeps its records.
func dataDir(cfg Config) string { return filepath.Join(cfg.Dir, "log") }

// Addr returns the address of the broker as host:port.
func (b *Broker) Addr() string { return b.cluster.ListenAddrs()[0] }

// Cluster returns the cluster itself, for tests that inject faults.
func (b *Broker) Cluster() *kfake.Cluster { return b.cluster }

// Close writes what is left to disk, closes all connections and releases the folder. It
// must be called once.
func (b *Broker) Close() error {
	b.cluster.Close()
	var err error
	if b.lock != nil {
		err = errors.Join(b.commits.close(), noteLife(b.lock, b.life, lifeEnded))
	}
	return errors.Join(err, b.unlock())
}

// lockDir takes the folder for this process. The kernel releases the lock when the process
// ends in whatever way, so there is no stale lock to clean up.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	name := filepath.Join(dir, "LOCK")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o640) //nolint:gosec // the path is the operator's data folder
	if err != nil {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		err = fmt.Errorf("embedded broker: %s: %w (%w): stop it first, or choose another folder", dir, ErrLocked, err)
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (b *Broker) unlock() error {
	if b.lock == nil {
		return nil
	}
	if err := b.lock.Close(); err != nil {
		return fmt.Errorf("embedded broker: release the folder: %w", err)
	}
	return nil
}
