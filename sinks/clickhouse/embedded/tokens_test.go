package embedded

import (
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestBlockOfWhichOnlyTheTokenWasWrittenIsTakenAgain takes the newest part away from a
// server that was ended, which is what is left on the disk of one that is killed between
// the two writes of an insert.
func TestBlockOfWhichOnlyTheTokenWasWrittenIsTakenAgain(t *testing.T) {
	need(t)
	t.Parallel()
	dir := t.TempDir()
	s := start(t, dir)
	query(t, s.HTTPAddr, "CREATE TABLE t (p UInt8, x UInt8) ENGINE = MergeTree PARTITION BY p ORDER BY x SETTINGS non_replicated_deduplication_window = 100")
	insert := func(token, rows string) {
		query(t, s.HTTPAddr, "INSERT INTO t SETTINGS insert_deduplicate = 1, insert_deduplication_token = '"+token+"' VALUES "+rows)
	}
	insert("first", "(1, 1), (1, 2)")
	insert("second", "(2, 3), (2, 4)")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	parts, err := filepath.Glob(filepath.Join(dir, "data", "store", "*", "*", "2_2_2_0"))
	if err != nil || len(parts) != 1 {
		t.Fatalf("parts %q, %v: want the one of the second insert", parts, err)
	}
	if err := os.RemoveAll(parts[0]); err != nil {
		t.Fatal(err)
	}
	s = start(t, dir)
	insert("first", "(1, 1), (1, 2)")
	insert("second", "(2, 3), (2, 4)")
	insert("second", "(2, 3), (2, 4)")
	if got := strings.TrimSpace(query(t, s.HTTPAddr, "SELECT arraySort(groupArray(x)) FROM t")); got != "[1,2,3,4]" {
		t.Errorf("rows %s, want [1,2,3,4]: each of them once", got)
	}
}

func TestOnlyATokenWithoutItsPartIsTakenBack(t *testing.T) {
	t.Parallel()
	f := func(name string, logs map[string]string, parts []string, want map[string]string) {
		t.Helper()
		data := t.TempDir()
		table := filepath.Join(data, "store", "abc", "abc-1")
		for _, d := range append([]string{"deduplication_logs", "detached", "tmp_insert_all_3_3_0"}, parts...) {
			if err := os.MkdirAll(filepath.Join(table, d), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		for n, text := range logs {
			if err := os.WriteFile(filepath.Join(table, "deduplication_logs", n), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := retractTokens(data, slog.New(slog.DiscardHandler)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for n, text := range want {
			got, err := os.ReadFile(filepath.Join(table, "deduplication_logs", n))
			if err != nil || string(got) != text {
				t.Errorf("%s: %s holds %q (%v), want %q", name, n, got, err, text)
			}
		}
	}
	const one, two, three = "1\tall_1_1_0\tall_11_12\n", "1\tall_2_2_0\tall_21_22\n", "1\tall_3_3_0\tall_31_32\n"
	log := func(n int, text string) map[string]string {
		return map[string]string{"deduplication_log_" + strconv.Itoa(n) + ".txt": text}
	}
	f("its part is there", log(1, one+two), []string{"all_1_1_0", "all_2_2_0"}, log(1, one+two))
	f("it was merged", log(1, one+two), []string{"all_1_2_1"}, log(1, one+two))
	f("and changed by a mutation", log(1, one+two), []string{"all_1_2_1_7"}, log(1, one+two))
	f("its part is not there", log(1, one+two+three), []string{"all_1_2_1"}, log(1, one+two))
	f("of another partition is no part", log(1, one), []string{"202611_1_1_0"}, log(1, ""))
	f("it was dropped", log(1, one+"2\tall_1_1_0\tall_11_12\n"), nil, log(1, one+"2\tall_1_1_0\tall_11_12\n"))
	f("no log of ours", map[string]string{"notes.txt": one}, nil, map[string]string{"notes.txt": one})
	f("a line that is none", log(1, one+"1\tx\n"), nil, log(1, one+"1\tx\n"))
	f("the line is the last of the newest log", map[string]string{
		"deduplication_log_9.txt": one, "deduplication_log_10.txt": two + three, "deduplication_log_11.txt": "",
	}, []string{"all_1_2_1"}, map[string]string{"deduplication_log_9.txt": one, "deduplication_log_10.txt": two})
}
