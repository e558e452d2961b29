package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// retractTokens makes a server that was killed forget the blocks whose tokens it wrote and
// whose rows it did not.
//
// A MergeTree table that is not replicated keeps the tokens of its last blocks in a log of
// lines "1 <part> <block id>". An insert appends its line first and renames its part into
// place afterwards. Killed between the two, the server takes the same block for one that it
// has when it comes again, and its rows are lost although every insert was repeated until it
// succeeded. Both happen under one lock, so that only the last line of a table can be
// without its part. It must run before the server does: that one gives the number of the
// missing part to the next block. (Replicated tables write both in one transaction.)
func retractTokens(data string, log *slog.Logger) error {
	dirs, err := filepath.Glob(filepath.Join(data, "store", "*", "*", "deduplication_logs"))
	if err != nil {
		return fmt.Errorf("clickhouse: tokens: %w", err)
	}
	for _, dir := range dirs {
		block, err := retractToken(dir)
		if err != nil {
			return fmt.Errorf("clickhouse: tokens in %s: %w", dir, err)
		}
		if block != "" {
			log.Warn("an insert was cut off between its token and its rows; the token is taken back",
				"table", filepath.Dir(dir), "part", block)
		}
	}
	return nil
}

// retractToken looks after one table and returns the part whose token it took back, if any.
func retractToken(dir string) (part string, err error) {
	name, err := newestLog(dir)
	if err != nil || name == "" {
		return "", err
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0) //nolint:gosec // a file of the server in the directory of the user's choice
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	line, at, err := lastLine(f)
	if err != nil {
		return "", err
	}
	fields := strings.Split(line, "\t")
	const added = "1"
	if len(fields) != 3 || fields[0] != added {
		return "", nil
	}
	there, err := hasPart(filepath.Dir(dir), fields[1])
	if err != nil || there {
		return "", err
	}
	return fields[1], errors.Join(f.Truncate(at), f.Sync())
}

// newestLog returns the log with the highest number that is not empty, "" if there is none.
func newestLog(dir string) (name string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	most := -1
	for _, e := range entries {
		text, ours := strings.CutPrefix(strings.TrimSuffix(e.Name(), ".txt"), "deduplication_log_")
		n, err := strconv.Atoi(text)
		if !ours || err != nil || n <= most {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return "", err
		}
		if info.Size() > 0 {
			name, most = filepath.Join(dir, e.Name()), n
		}
	}
	return name, nil
}

// lastLine returns the last line of a file without its end, and where it begins.
func lastLine(f *os.File) (line string, at int64, err error) {
	const most = 64 << 10 // far more than a line has
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return "", 0, err
	}
	from := max(0, size-most)
	tail := make([]byte, size-from)
	if _, err := f.ReadAt(tail, from); err != nil {
		return "", 0, err
	}
	whole := bytes.TrimSuffix(tail, []byte("\n"))
	begin := bytes.LastIndexByte(whole, '\n') + 1
	return string(whole[begin:]), from + int64(begin), nil
}

// hasPart reports whether a table has a part, or one that it was merged into. A name that
// is none of a part is taken for one that is there.
func hasPart(table, name string) (bool, error) {
	want, ok := parsePart(name)
	if !ok {
		return true, nil
	}
	entries, err := os.ReadDir(table)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		have, ok := parsePart(e.Name())
		return ok && have.partition == want.partition && have.from <= want.from && have.to >= want.to
	}), nil
}

// part is what the name of a part says: its blocks are from to to.
type part struct {
	partition string
	from, to  uint64
}

// parsePart reads <partition>_<from>_<to>_<level>[_<mutation>].
func parsePart(name string) (p part, ok bool) {
	f := strings.Split(name, "_")
	if len(f) != 4 && len(f) != 5 {
		return p, false
	}
	from, err1 := strconv.ParseUint(f[1], 10, 64)
	to, err2 := strconv.ParseUint(f[2], 10, 64)
	return part{f[0], from, to}, err1 == nil && err2 == nil
}
