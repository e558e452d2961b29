package broker

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzMend starts on a folder with any note of a commit and any log of groups. It fails, or
// leaves logs that are no longer than they were, touches nothing else, and is done: a second
// start changes nothing.
func FuzzMend(f *testing.F) {
	f.Add([]byte(`{"lengths":{"groups.log":4,"partitions/a/0.dat":2,"partitions/a/0.idx":1},"partitions":1,"offsets":1}`), []byte("groups-of-log"))
	f.Add([]byte(`{"lengths":{"groups.log":-1},"partitions":0,"offsets":1}`), []byte("x"))
	f.Add([]byte(`{"lengths":{"../other":1,"other":0},"partitions":9}`), []byte{0, 0, 0, 200, 1})
	f.Add([]byte(`{"lengths":null`), []byte{})
	f.Fuzz(func(t *testing.T, note, groups []byte) {
		dir := t.TempDir()
		data := filepath.Join(dir, "log")
		files := map[string][]byte{
			noteName: note, "other": []byte("mine"), "log/other": []byte("mine"), "log/groups.log": groups,
			"log/partitions/a/0.dat": []byte("data"), "log/partitions/a/0.idx": []byte("index"),
		}
		for name, text := range files {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c, err := openCommits(dir, data, false)
		if err != nil {
			return
		}
		defer c.note.Close()
		for name, was := range files {
			got, err := os.ReadFile(filepath.Join(dir, name))
			switch isLog, mine := filepath.Dir(name) != "." && filepath.Base(name) != "other", filepath.Base(name) == "other"; {
			case err != nil && !isLog, mine && string(got) != string(was):
				t.Errorf("%s: %q, was %q (%v)", name, got, was, err)
			case isLog && len(got) > len(was):
				t.Errorf("%s has grown to %q", name, got)
			}
		}
		if text, err := os.ReadFile(filepath.Join(dir, noteName)); err != nil || len(text) > 0 {
			t.Errorf("the note stays: %q (%v)", text, err)
		}
	})
}
