package file

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/riposte-sec/riposte/internal/sharedata"
)

// write lays out files, by path, in a new folder. Names that end in .gz are compressed.
func write(tb testing.TB, files map[string]string) string {
	tb.Helper()
	root := tb.TempDir()
	for name, text := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			tb.Fatal(err)
		}
		p := []byte(text)
		if strings.HasSuffix(name, ".gz") {
			var b bytes.Buffer
			w := gzip.NewWriter(&b)
			_, err := w.Write(p)
			if err := errors.Join(err, w.Close()); err != nil {
				tb.Fatal(err)
			}
			p = b.Bytes()
		}
		if err := os.WriteFile(path, p, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return root
}

func open(tb testing.TB, opts Options, paths ...string) *Reader {
	tb.Helper()
	r, err := Open(paths, opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = r.Close() })
	return r
}

// drain reads to the end and returns what came, as source:value.
func drain(tb testing.TB, r *Reader) []string {
	tb.Helper()
	var got []string
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return got
		}
		if err != nil {
			tb.Fatal(err)
		}
		if rec.Seq != uint64(len(got)) {
			tb.Errorf("record %d has number %d", len(got), rec.Seq)
		}
		got = append(got, rec.Source+":"+string(rec.Value))
	}
}

func reasons(r *Reader) string {
	var all []string
	for _, n := range r.Notes() {
		all = append(all, n.String())
	}
	return strings.Join(all, "\n")
}

func TestFolderPerSourceIsReadInTheOrderOfPaths(t *testing.T) {
	t.Parallel()
	root := write(t, map[string]string{
		"zeek/b.log":                     "z2\n",
		"zeek/a.jsonl":                   "z1\r\n",
		"aws_cloudtrail/deep/er/c.jsonl": "c1\nc2",
		"windows/w.jsonl.gz":             "\xef\xbb\xbfw1\n\n  \nw2\n",
		"okta/o.ndjson":                  "o1\n",
		"suricata_eve/empty.log":         "",
		"README.md":                      "read me",
		"falco/f.jsonl":                  "f1\n",
		"falco/g.jsonl":                  "f2\n",
	})
	r := open(t, Options{}, root)
	got := drain(t, r)
	want := []string{"cloudtrail:c1", "cloudtrail:c2", "okta:o1", "windows:w1", "windows:w2", "zeek:z1", "zeek:z2"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	s := r.Stats()
	if s.Files != 6 || s.Records != 7 || s.Blank != 2 || s.Bytes != 14 {
		t.Errorf("stats %+v", s)
	}
	notes := reasons(r)
	if len(r.Notes()) != 2 || !strings.Contains(notes, "README.md: not read: the ending") || !strings.Contains(notes, "falco: not read: the folder names no source") {
		t.Errorf("notes:\n%s", notes)
	}
	if done, total := r.Progress(); done != total || total == 0 {
		t.Errorf("progress %d of %d at the end", done, total)
	}
}

func TestNamedFileIsReadWhateverItsEnding(t *testing.T) {
	t.Parallel()
	root := write(t, map[string]string{"x/dump.txt": "a\n", "okta/dump.txt": "b\n"})
	r := open(t, Options{Source: "zeek"}, filepath.Join(root, "x", "dump.txt"))
	if got := drain(t, r); !slices.Equal(got, []string{"zeek:a"}) {
		t.Errorf("got %q", got)
	}
	if got := drain(t, open(t, Options{}, filepath.Join(root, "okta", "dump.txt"))); !slices.Equal(got, []string{"okta:b"}) {
		t.Errorf("got %q", got)
	}
}

func TestFileThatIsNamedTwiceIsReadOnce(t *testing.T) {
	t.Parallel()
	root := write(t, map[string]string{"zeek/a.log": "a\n"})
	r := open(t, Options{}, root, filepath.Join(root, "zeek", "a.log"))
	if got := drain(t, r); len(got) != 1 || !strings.Contains(reasons(r), "named more than once") {
		t.Errorf("got %q, notes %s", got, reasons(r))
	}
}

func TestEqualLinesHaveEqualKeysInEveryRun(t *testing.T) {
	t.Parallel()
	root := write(t, map[string]string{"zeek/a.log": "same\nother\n", "zeek/b.log": "same\n"})
	keys := func() (all []string) {
		r := open(t, Options{}, root)
		for rec, err := r.Next(); err == nil; rec, err = r.Next() {
			all = append(all, fmt.Sprintf("%x", rec.Key))
		}
		return all
	}
	first := keys()
	if len(first) != 3 || first[0] != first[2] || first[0] == first[1] || !slices.Equal(first, keys()) {
		t.Errorf("keys %v, then %v", first, keys())
	}
	if first[0] != "097b5e18bf93ef5b" {
		t.Errorf("key of %q is %s: it must never change", "same", first[0])
	}
}

func TestTestCaseFileGivesTheEventInside(t *testing.T) {
	t.Parallel()
	root := write(t, map[string]string{"okta/panther-cases.jsonl": `{"rule_id":"a","log":{"b": 1.0}}` + "\n" + `{"rule_id":"c"}` + "\n"})
	r := open(t, Options{}, root)
	want := []string{`okta:{"b": 1.0}`, `okta:{"rule_id":"c"}`}
	if got := drain(t, r); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if !strings.Contains(reasons(r), "panther-cases.jsonl:2: taken as it stands") {
		t.Errorf("notes: %s", reasons(r))
	}
}

func TestLineThatIsTooLongIsCutAndTold(t *testing.T) {
	t.Parallel()
	fits := strings.Repeat("x", MaxLine)
	root := write(t, map[string]string{"zeek/a.log": "a\n" + fits + "\n" + fits + "yz\nb\n"})
	r := open(t, Options{}, root)
	got := drain(t, r)
	if len(got) != 4 || got[1] != "zeek:"+fits || got[2] != "zeek:"+fits || got[3] != "zeek:b" {
		t.Fatalf("%d records of other lengths than expected", len(got))
	}
	if s := r.Stats(); s.Cut != 1 || !strings.Contains(reasons(r), "a.log:3: cut to 1048577 of 1048579 bytes") {
		t.Errorf("stats %+v, notes %s", s, reasons(r))
	}
}

func TestDamagedArchiveEndsTheReadingWithItsName(t *testing.T) {
	t.Parallel()
	root := write(t, map[string]string{"zeek/a.log.gz": strings.Repeat("line of a log\n", 5000)})
	path := filepath.Join(root, "zeek", "a.log.gz")
	p, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, p[:len(p)-20], 0o600); err != nil {
		t.Fatal(err)
	}
	r := open(t, Options{}, root)
	for err == nil {
		_, err = r.Next()
	}
	if !strings.Contains(err.Error(), "a.log.gz:") || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
	if _, again := r.Next(); !errors.Is(again, io.ErrUnexpectedEOF) {
		t.Errorf("then %v", again)
	}
}

func TestNothingToReadIsAnError(t *testing.T) {
	t.Parallel()
	root := write(t, map[string]string{"falco/a.jsonl": "a\n"})
	f := func(name, want string, paths ...string) {
		t.Helper()
		if _, err := Open(paths, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
	f("no paths", "no paths")
	f("missing", "no such file", filepath.Join(root, "none"))
	f("folder without a source", "nothing to read", root)
	f("file without a source", "name the source", filepath.Join(root, "falco", "a.jsonl"))
}

func TestClosedReaderSaysSo(t *testing.T) {
	t.Parallel()
	r := open(t, Options{}, write(t, map[string]string{"zeek/a.log": "a\nb\n"}))
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("got %v, want an error that is not the end", err)
	}
}

func TestEverySampleLineOfTheSupportedSourcesIsRead(t *testing.T) {
	t.Parallel()
	r := open(t, Options{}, sharedata.Dir(t))
	count := map[string]int{}
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		count[rec.Source]++
	}
	for _, s := range []string{"suricata", "zeek", "windows", "cloudtrail", "okta"} {
		if count[s] == 0 {
			t.Errorf("no line of %s", s)
		}
	}
	t.Logf("%v, %+v, %d notes", count, r.Stats(), len(r.Notes()))
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("a\r\nb\n\nc"), "a.log")
	f.Add([]byte("{\"log\":1}\n{"), "panther-cases.jsonl")
	f.Add([]byte{0x1f, 0x8b, 8, 0}, "a.log.gz")
	f.Fuzz(func(t *testing.T, p []byte, name string) {
		if name = filepath.Base(name); name == "." || name == ".." || strings.ContainsAny(name, "/\x00") || len(name) > 100 {
			t.Skip()
		}
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, p, 0o600); err != nil {
			t.Skip()
		}
		r := open(t, Options{Source: "zeek"}, path)
		var n uint64
		var err error
		for err == nil {
			var rec Record
			if rec, err = r.Next(); err == nil {
				n++
				if len(rec.Value) > MaxLine || len(rec.Key) != 8 {
					t.Fatalf("record %+v", rec)
				}
			}
		}
		if r.Stats().Records != n {
			t.Errorf("%d records, counted %d", n, r.Stats().Records)
		}
		if !strings.HasSuffix(name, ".gz") && errors.Is(err, io.EOF) {
			if lines := uint64(bytes.Count(p, []byte("\n"))); n+r.Stats().Blank < lines {
				t.Errorf("%d records and %d blank lines of at least %d lines", n, r.Stats().Blank, lines)
			}
		}
	})
}

func BenchmarkNext(b *testing.B) {
	root := write(b, map[string]string{"zeek/a.log": strings.Repeat(strings.Repeat("x", 499)+"\n", 20000)})
	b.ReportAllocs()
	b.SetBytes(500)
	var r *Reader
	for i := 0; b.Loop(); i++ {
		if i%20000 == 0 {
			r = open(b, Options{}, root)
		}
		if _, err := r.Next(); err != nil {
			b.Fatal(err)
		}
	}
}
