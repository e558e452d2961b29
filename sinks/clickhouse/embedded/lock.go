package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// BusyError says that another process runs a server on the directory.
type BusyError struct {
	// Dir is the directory.
	Dir string
	// PID is the process that started that server, 0 if it did not say.
	PID int
}

// Error names the directory, the process and the way out.
func (e *BusyError) Error() string {
	return fmt.Sprintf("clickhouse: %s is in use by process %d: stop that one or choose another directory", e.Dir, e.PID)
}

// busyFor is how long a lock of a living taker must be held before it is believed.
const busyFor = 2 * time.Second

// lockDir takes the exclusive lock of dir. The lock lasts until every copy of
// the returned file is closed, in this process and in the child that inherits it.
//
// A lock whose taker lives belongs to a running system: *BusyError after busyFor. It
// is not believed at once, because a process that this one starts at the same moment
// holds copies of all open files between its fork and its exec, released ones too. A
// lock whose taker is dead is held by a server that is still closing down after its
// parent was killed: it is waited for.
func lockDir(ctx context.Context, dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the directory is the user's choice
	if err != nil {
		return nil, fmt.Errorf("clickhouse: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, stopTimeout+5*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	believed := time.Now().Add(busyFor)
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, sign(f)
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("clickhouse: lock %s: %w", dir, err), f.Close())
		}
		pid := signer(f)
		if pid != 0 && alive(pid) && time.Now().After(believed) {
			return nil, errors.Join(&BusyError{Dir: dir, PID: pid}, f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(&BusyError{Dir: dir, PID: pid}, f.Close())
		case <-tick.C:
		}
	}
}

// sign writes this process's id into the lock file.
func sign(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("clickhouse: %w", err)
	}
	if _, err := f.WriteAt(strconv.AppendInt(nil, int64(os.Getpid()), 10), 0); err != nil {
		return fmt.Errorf("clickhouse: %w", err)
	}
	return nil
}

// signer returns the id that sign wrote, 0 if there is none (the taker has the
// lock and has not signed yet).
func signer(f *os.File) int {
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 32))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(text)))
	if err != nil || pid < 1 {
		return 0
	}
	return pid
}

// alive reports whether a process with that id exists. The id of a dead taker
// may belong to a stranger by now; then the refusal names the stranger, and the
// next start, after the old server is gone, succeeds.
func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// waitInstallLock takes the lock under which dir is filled, waiting for another
// process that holds it, and returns what releases it.
func waitInstallLock(ctx context.Context, dir string) (release func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, "install.lock"), os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // in the cache
	if err != nil {
		return nil, fmt.Errorf("clickhouse: install: %w", err)
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil // closing releases; an empty file has nothing to lose
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("clickhouse: install: lock: %w", err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("clickhouse: install: another process is at it: %w", ctx.Err()), f.Close())
		case <-tick.C:
		}
	}
}
