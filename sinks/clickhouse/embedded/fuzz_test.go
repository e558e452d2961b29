package embedded

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
)

// FuzzRetractTokens starts on any log of tokens: at most its last line is taken off, and
// only if its part is not there.
func FuzzRetractTokens(f *testing.F) {
	f.Add([]byte("1\tall_1_1_0\tblock\n1\tall_2_2_0\tblock\n"), "all_1_1_0")
	f.Add([]byte("1\tall_1_1_0\tblock\n-1\tall_1_1_0\tblock\n"), "all_1_4_1_7")
	f.Add([]byte("1\tall_18446744073709551616_1_0\t"), "all_1_1_0")
	f.Add([]byte{}, "x")
	f.Fuzz(func(t *testing.T, text []byte, there string) {
		data := t.TempDir()
		table := filepath.Join(data, "store", "abc", "abc-1")
		logs := filepath.Join(table, "deduplication_logs")
		if err := os.MkdirAll(logs, 0o700); err != nil {
			t.Fatal(err)
		}
		if filepath.Base(there) != there || os.Mkdir(filepath.Join(table, there), 0o700) != nil {
			t.Skip()
		}
		name := filepath.Join(logs, "deduplication_log_1.txt")
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := retractTokens(data, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(text, got) || bytes.Count(text[len(got):], []byte("\n")) > 1 {
			t.Errorf("%q became %q", text, got)
		}
		if gone := text[len(got):]; len(gone) > 0 && bytes.HasPrefix(gone, []byte("1\t"+there+"\t")) {
			t.Errorf("%q was taken off although its part is there", gone)
		}
	})
}
