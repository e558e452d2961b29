package main

import (
	"fmt"
	"os"
	"syscall"
)

// mountSmall makes dir a file system of its own, in memory, of so many bytes. It needs
// root.
func mountSmall(dir string, bytes int64) (unmount func() error, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		return nil, fmt.Errorf("mount a small file system on %s (needs root): %w", dir, err)
	}
	return func() error { return syscall.Unmount(dir, syscall.MNT_DETACH) }, nil
}
