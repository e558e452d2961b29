package proc

import "syscall"

// childAttr makes the kernel kill the child when its parent dies.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
