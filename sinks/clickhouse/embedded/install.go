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
	"fmt"
	"hash"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"time"
)

// libVersion is the release of the packages of all platforms.
const libVersion = "26.7.3-stable.1"

// pin is one platform's package and what is in it.
type pin struct {
	pkg       string // npm package
	file      string // the library's name in the package
	integrity string // SHA-512 of the archive, as npm writes it: base64
	sha256    string // of the library: hex
	size      int64  // of the library: bytes
}

// pins has the platforms whose archive was fetched and digested. The linux/arm64
// and darwin packages of this release were not to be had from the registry; a
// digest that nobody computed would be no pin, so these platforms use a binary on
// PATH or LibraryEnv.
var pins = map[string]pin{
	"linux/amd64": {
		pkg:       "@chdb/lib-linux-x64-gnu",
		file:      "libchdb.so",
		integrity: "XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw==",
		sha256:    "36ad4e999882821ef13cf2d0f52c93f48e6ee1b4498b35a201c23ce4b8d15bf5",
		size:      566330096,
	},
}

// CacheDir is where fetched parts lie: $XDG_CACHE_HOME/riposte, by default
// ~/.cache/riposte.
func CacheDir() (string, error) {
	base := os.Getenv("XDG_CACHE_HOME")
	if !filepath.IsAbs(base) { // the XDG specification: a relative path is to be ignored
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("cache directory: %w", err)
		}
		base = filepath.Join(home, ".cache")
	}
	return filepath.Join(base, "riposte"), nil
}

// libraryPath is where Install puts the library of p.
func libraryPath(p pin) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "libchdb", libVersion, p.file), nil
}

// installed returns the path of the installed library. Its digest was checked
// when it was put there, whole, by rename; the size guards against a disk that
// was full or a file that was edited since.
func installed() (string, error) {
	p, ok := pins[platform()]
	if !ok {
		return "", &MissingError{Why: "no libchdb is pinned for " + platform()}
	}
	lib, err := libraryPath(p)
	if err != nil {
		return "", err
	}
	switch info, err := os.Stat(lib); {
	case errors.Is(err, os.ErrNotExist):
		return "", &MissingError{Why: "no libchdb at " + lib}
	case err != nil:
		return "", fmt.Errorf("clickhouse: %w", err)
	case info.Size() != p.size:
		return "", &MissingError{Why: fmt.Sprintf("%s has %d bytes, not %d", lib, info.Size(), p.size)}
	}
	return lib, nil
}

// Install makes sure that Start finds a program. Where it would find none, the
// pinned library is fetched with npm (178 MB), its digests are checked, and it is
// put into CacheDir in one step, so that a broken run leaves nothing behind.
// Lines about progress go to progress. Two processes may call it at once: the
// second waits for the first.
//
// It returns *MissingError where the platform has no pinned package or npm is not
// there.
func Install(ctx context.Context, progress io.Writer) error {
	if Available(ctx) == nil {
		return nil
	}
	p, ok := pins[platform()]
	if !ok {
		_, err := installed()
		return err
	}
	lib, err := libraryPath(p)
	if err != nil {
		return err
	}
	dir := filepath.Dir(lib)
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // a cache of public files
		return fmt.Errorf("clickhouse: install: %w", err)
	}
	unlock, err := waitInstallLock(ctx, dir)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := installed(); err == nil {
		return nil // the process that was waited for has done it
	}
	return fetchInto(ctx, p, lib, progress)
}

// fetchInto fetches, checks and places the library of p.
func fetchInto(ctx context.Context, p pin, lib string, progress io.Writer) error {
	tmp, err := os.MkdirTemp(filepath.Dir(lib), "fetch-")
	if err != nil {
		return fmt.Errorf("clickhouse: install: %w", err)
	}
	defer func() { _ = os.RemoveAll(tmp) }() // what stays is rubbish in a cache
	archive, err := npmPack(ctx, tmp, p.pkg+"@"+libVersion, progress)
	if err != nil {
		return err
	}
	say(progress, "clickhouse: extracting and checking %s\n", filepath.Base(archive))
	if err := extract(ctx, archive, filepath.Join(tmp, p.file), p); err != nil {
		return fmt.Errorf("clickhouse: install %s: %w", p.pkg, err)
	}
	if err := os.Rename(filepath.Join(tmp, p.file), lib); err != nil {
		return fmt.Errorf("clickhouse: install: %w", err)
	}
	say(progress, "clickhouse: installed %s\n", lib)
	return nil
}

// npmPack lets npm fetch spec into dir and returns the archive's path. Which
// registry that is, and how to reach it, is npm's configuration.
func npmPack(ctx context.Context, dir, spec string, progress io.Writer) (string, error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", &MissingError{Why: "npm, which fetches libchdb, is not on PATH (Debian: apt-get install npm; macOS: brew install node)"}
	}
	say(progress, "clickhouse: fetching %s with npm (178 MB)\n", spec)
	cmd := exec.CommandContext(ctx, npm, "pack", "--pack-destination", dir, spec) //nolint:gosec // npm is the ordinary client
	cmd.Dir = dir
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	cmd.WaitDelay = 5 * time.Second
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = cmd.Run()
	}()
	awaitWithTicks(done, progress)
	if err != nil {
		return "", fmt.Errorf("clickhouse: npm pack %s: %w: %s", spec, err, bytes.TrimSpace(complaint.Bytes()))
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("clickhouse: npm pack %s left %d archives (%s)", spec, len(found), bytes.TrimSpace(out.Bytes()))
	}
	return found[0], nil
}

// awaitWithTicks returns when done is closed and says every ten seconds that it
// still waits: npm shows no progress unless it has a terminal.
func awaitWithTicks(done <-chan struct{}, progress io.Writer) {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for waited := 10; ; waited += 10 {
		select {
		case <-done:
			return
		case <-tick.C:
			say(progress, "clickhouse: still fetching after %d s\n", waited)
		}
	}
}

// extract writes the library out of the archive to dst. The archive is read to
// its last byte and both digests are compared; on any difference the error says
// which, and dst must not be used.
func extract(ctx context.Context, archive, dst string, p pin) error {
	f, err := os.Open(archive) //nolint:gosec // a path that this package made
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	packed := sha512.New()
	in := io.TeeReader(&ctxReader{ctx: ctx, r: f}, packed)
	zip, err := gzip.NewReader(in)
	if err != nil {
		return err
	}
	if err := extractMember(tar.NewReader(zip), dst, p); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, in); err != nil { // what follows the member counts for the digest
		return err
	}
	return compare("archive", base64.StdEncoding.EncodeToString(packed.Sum(nil)), p.integrity)
}

// extractMember writes the member that is the library and checks it.
func extractMember(t *tar.Reader, dst string, p pin) error {
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("archive has no %s", p.file)
		}
		if err != nil {
			return err
		}
		if path.Base(h.Name) != p.file || h.Typeflag != tar.TypeReg {
			continue
		}
		sum := sha256.New()
		if err := writeFile(dst, io.LimitReader(t, p.size+1), sum); err != nil {
			return err
		}
		return compare(p.file, hex.EncodeToString(sum.Sum(nil)), p.sha256)
	}
}

// writeFile copies r to a new file and into sum, and syncs it, so that the
// rename that follows cannot name a half-written file after a power cut.
func writeFile(dst string, r io.Reader, sum hash.Hash) error {
	f, err := os.OpenFile(dst, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755) //nolint:gosec // a shared library
	if err != nil {
		return err
	}
	_, err = io.Copy(io.MultiWriter(f, sum), r)
	return errors.Join(err, f.Sync(), f.Close())
}

// say writes a line of progress. One that cannot be written is no reason to stop.
func say(progress io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(progress, format, args...)
}

func compare(what, got, want string) error {
	if got != want {
		return fmt.Errorf("digest of %s is %s, not the pinned %s", what, got, want)
	}
	return nil
}

// ctxReader ends a long read when ctx does.
type ctxReader struct {
	ctx context.Context //nolint:containedctx // lives as long as one extract call
	r   io.Reader
}

// Read reads from the underlying reader unless ctx has ended.
func (c *ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
