package embedded

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// pack returns a package archive with the given library in it, and its pin.
func pack(t *testing.T, library string) ([]byte, pin) {
	t.Helper()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	w := tar.NewWriter(zip)
	for _, m := range []struct{ name, body string }{
		{"package/package.json", "{}"}, {"package/libchdb.so", library}, {"package/index.js", "x"},
	} {
		if err := w.WriteHeader(&tar.Header{Name: m.name, Mode: 0o644, Size: int64(len(m.body)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(m.body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	packed, lib := sha512.Sum512(b.Bytes()), sha256.Sum256([]byte(library))
	return b.Bytes(), pin{
		pkg: "@test/lib", file: "libchdb.so", size: int64(len(library)),
		integrity: base64.StdEncoding.EncodeToString(packed[:]), sha256: hex.EncodeToString(lib[:]),
	}
}

func TestArchiveThatDiffersFromItsPinIsRefused(t *testing.T) {
	t.Parallel()
	whole, p := pack(t, "the library")
	f := func(name string, archive []byte, p pin, want string) {
		t.Helper()
		dir := t.TempDir()
		path := filepath.Join(dir, "a.tgz")
		if err := os.WriteFile(path, archive, 0o600); err != nil {
			t.Fatal(err)
		}
		err := extract(t.Context(), path, filepath.Join(dir, "out"), p)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
	f("as pinned", whole, p, "")
	other, _ := pack(t, "other bytes")
	f("another library", other, p, "digest of libchdb.so")
	longer, _ := pack(t, "the library and more")
	f("a longer library", longer, p, "digest of libchdb.so")
	f("something after the end", append(bytes.Clone(whole), 0), p, "digest of archive")
	f("cut short", whole[:len(whole)/2], p, "unexpected EOF")
	renamed := p
	renamed.file = "libchdb.dylib"
	f("no such member", whole, renamed, "archive has no libchdb.dylib")
	swapped := p
	swapped.integrity = base64.StdEncoding.EncodeToString(make([]byte, 64))
	f("another archive with the same library", whole, swapped, "digest of archive")
}

func TestExtractEndsWithItsContext(t *testing.T) {
	t.Parallel()
	whole, p := pack(t, "the library")
	dir := t.TempDir()
	path := filepath.Join(dir, "a.tgz")
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := extract(ctx, path, filepath.Join(dir, "out"), p); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestMissingPartsAreNamedWithTheCommandThatInstallsThem(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("PATH", t.TempDir())
	t.Setenv(LibraryEnv, "")
	_, err := Start(t.Context(), Config{Dir: t.TempDir()})
	missing, ok := errors.AsType[*MissingError](err)
	if !ok || !strings.Contains(missing.Error(), "make deps") {
		t.Fatalf("Start: got %v, want *MissingError that names make deps", err)
	}
	err = Install(t.Context(), &bytes.Buffer{})
	missing, ok = errors.AsType[*MissingError](err)
	if !ok {
		t.Fatalf("Install: got %v, want *MissingError", err)
	}
	if _, pinned := pins[platform()]; pinned && !strings.Contains(missing.Error(), "apt-get install npm") {
		t.Errorf("Install without npm: %q does not say how to get it", missing)
	}
}

func TestRelativeCacheHomeIsIgnored(t *testing.T) {
	t.Setenv("HOME", "/home/someone")
	t.Setenv("XDG_CACHE_HOME", "relative")
	got, err := CacheDir()
	if err != nil || got != "/home/someone/.cache/riposte" {
		t.Errorf("got %q, %v, want /home/someone/.cache/riposte", got, err)
	}
}
