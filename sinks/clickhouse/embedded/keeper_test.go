package embedded

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func keep(t *testing.T, dir string) *Keeper {
	t.Helper()
	need(t)
	k, err := Keep(t.Context(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestServerThatWasKilledIsStartedAgainOnItsDataAndPorts(t *testing.T) {
	t.Parallel()
	k := keep(t, filepath.Join(t.TempDir(), "clickhouse"))
	query(t, k.HTTPAddr, "CREATE TABLE kept (n UInt8) ENGINE = MergeTree ORDER BY n")
	query(t, k.HTTPAddr, "INSERT INTO kept VALUES (7)")
	for round := range int64(2) {
		first := k.current()
		if err := first.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		deadline := time.Now().Add(time.Minute)
		for k.Restarts() != round+1 {
			if time.Now().After(deadline) {
				t.Fatalf("not started again: %d restarts, want %d", k.Restarts(), round+1)
			}
			time.Sleep(20 * time.Millisecond)
		}
		if got := query(t, k.HTTPAddr, "SELECT n FROM kept"); strings.TrimSpace(got) != "7" {
			t.Errorf("round %d: got %q, want the row of before", round, got)
		}
	}
	if err := k.Close(); err != nil {
		t.Error(err)
	}
	if _, err := http.Get("http://" + k.HTTPAddr + "/ping"); err == nil {
		t.Error("somebody answers after Close")
	}
}

func TestKeeperThatIsClosedWhileItWaitsStartsNothing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "clickhouse")
	k := keep(t, dir)
	s := k.current()
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-s.Exited()
	if err := k.Close(); err != nil {
		t.Error(err)
	}
	again := start(t, dir) // the directory is free
	if got := strings.TrimSpace(query(t, again.HTTPAddr, "SELECT 1")); got != "1" {
		t.Errorf("got %q", got)
	}
}
