package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTallyAddsUpKillsByBrokerAndByPointAndNamesBadRuns(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "chaos.txt")
	const bad = "2026-11-25T05:00:00Z c oracle: inputs=9 unique=9 lost=0 doubled=1 effects_doubled=0 clickhouse_missing=0 clickhouse_doubled=0 altered=0 misordered=0 miscounted=0 episodes=2 episodes_missing=0 episodes_extra=0 kills=4 seed=3 broker=kafka variant=kills seconds=9; after-plan=1 worker=3"
	text := `2026-11-23T23:21:10Z a oracle: inputs=9 unique=9 lost=0 doubled=0 effects_doubled=0 clickhouse_missing=0 clickhouse_doubled=0 kills=5 seed=1 broker=kfake variant=kills seconds=9
a remark
2026-11-25T04:25:54Z b oracle: inputs=9 unique=9 lost=0 doubled=0 effects_doubled=0 clickhouse_missing=0 clickhouse_doubled=0 episodes=3 episodes_missing=0 episodes_extra=0 kills=7 seed=2 broker=kfake variant=kills seconds=9; after-plan=2 before-call=0 broker=1 worker=4
` + bad + "\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := printTally(path, &out); err != nil {
		t.Fatal(err)
	}
	want := `kills on kafka: 4; 0 in runs without faults, 0 of them judged by episodes too
kills on kfake: 12; 12 in runs without faults, 7 of them judged by episodes too
kills at crash points: after-restore=0 after-poll=0 after-produce=0 after-delta=0 before-end=0 after-end=0 after-snapshot=0 before-call=0 after-call=0 after-plan=3 after-insert=0 after-note=0
kills at random: broker=1 worker=7
runs: 3, with faults: 1
   ` + bad + "\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
