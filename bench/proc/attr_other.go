//go:build !linux

package proc

import "syscall"

// childAttr adds nothing: only Linux can tie a child to its parent's life.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
