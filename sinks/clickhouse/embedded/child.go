package embedded

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"time"
	"unsafe"

	"github.com/ebitengine/purego"
)

// childEnv is set in a child alone: the path of the library that it opens.
const childEnv = "RIPOSTE_EMBEDDED_CLICKHOUSE"

// Main turns this process into a ClickHouse server, and does not return, if
// Start started it for that; otherwise it does nothing. It must be the first
// call of main, and of TestMain in packages whose tests call Start: before flags
// are parsed and before any thread matters.
func Main() {
	lib := os.Getenv(childEnv)
	if lib == "" {
		return
	}
	if err := serve(lib, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "clickhouse:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serve runs the server inside the library until standard input ends. The
// library keeps thread-local state from load to call, so both happen on one
// thread.
func serve(lib string, args []string) error {
	runtime.LockOSThread()
	go watchdog()
	handle, err := purego.Dlopen(lib, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return fmt.Errorf("open library: %w", err)
	}
	var (
		run    func(argc int32, argv unsafe.Pointer) unsafe.Pointer
		failed func(result unsafe.Pointer) string
	)
	for name, fn := range map[string]any{"chdb_query_cmdline": &run, "chdb_result_error": &failed} {
		if _, err := purego.Dlsym(handle, name); err != nil {
			return fmt.Errorf("library %s has no %s: %w", lib, name, err)
		}
		purego.RegisterLibFunc(fn, handle, name)
	}
	argv := cStrings(append([]string{"clickhouse"}, args...))
	result := run(int32(len(argv)-1), unsafe.Pointer(&argv[0]))
	runtime.KeepAlive(argv)
	if msg := failed(result); msg != "" {
		return fmt.Errorf("server: %s", msg)
	}
	return nil
}

// watchdog ends the process hard when the server has not ended by itself some
// time after standard input did. It reads the same pipe as the server does; that
// is sound because nothing is ever written to it and end of file is seen by all
// readers.
func watchdog() {
	_, _ = io.Copy(io.Discard, os.Stdin) // an error is an end, too
	time.Sleep(stopTimeout)
	os.Exit(2)
}

// cStrings returns a C argv: pointers to zero-ended copies, then a nil.
func cStrings(args []string) []*byte {
	argv := make([]*byte, len(args)+1)
	for i, a := range args {
		z := make([]byte, len(a)+1)
		copy(z, a)
		argv[i] = &z[0]
	}
	return argv
}
