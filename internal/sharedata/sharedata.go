// Package sharedata finds the sample events that lie beside a developer's checkout and are
// not part of the project. Tests that read them are skipped where they are missing.
package sharedata

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Dir returns the absolute path of the folder with the sample events, ../shared/data beside
// the repository, or that of RIPOSTE_SHARED_DATA. It skips the test, saying why, where the
// folder does not exist.
func Dir(tb testing.TB) string {
	tb.Helper()
	dir := os.Getenv("RIPOSTE_SHARED_DATA")
	if dir == "" {
		_, file, _, _ := runtime.Caller(0)
		dir = filepath.Join(filepath.Dir(file), "..", "..", "..", "shared", "data")
	}
	if _, err := os.Stat(dir); err != nil {
		tb.Skipf("sample events are not here (%v); set RIPOSTE_SHARED_DATA to run this test", err)
	}
	return dir
}
