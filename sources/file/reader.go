package file

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// MaxLine is the most bytes of a line that a record carries. It is one byte more than
// ingest accepts (1 MiB), so that a line which was cut is always rejected as too large and
// never taken for a whole event. Whoever produces the records must allow batches of that
// size; brokers see them compressed.
const MaxLine = 1<<20 + 1

// Options say how files are read. The zero value is ready to use.
type Options struct {
	// Source is the source of every file, whatever its folder. Empty: the folders say it.
	Source string
}

// Record is one line of a file. It belongs to the caller.
type Record struct {
	Source string
	// Key is a hash of the line, 8 bytes: equal lines have equal keys in every run.
	Key   []byte
	Value []byte // the line without its end; at most MaxLine bytes
	File  string
	Line  int    // from 1
	Seq   uint64 // position among all records of this reading, from 0
}

// Stats counts what was read so far.
type Stats struct {
	Files   int // opened
	Records uint64
	Bytes   uint64 // of the records' values
	Blank   uint64 // lines without a character other than white space; they make no record
	Cut     uint64 // lines longer than MaxLine: their records hold the first MaxLine bytes
}

// Reader reads lines from files, one after the other. It is not safe for concurrent use.
type Reader struct {
	plan  *plan
	total int64
	next  int // index into plan.files
	open  *opened
	read  int64 // bytes on disk of files that are done
	stats Stats
	err   error
}

// opened is the file that is being read.
type opened struct {
	planned
	file  *os.File
	count *counter
	lines *bufio.Reader
	line  int
	wraps bool // each line is a test case with the event inside
}

// Open finds the files to read, in the order in which Next will read them. A folder is
// searched whole; a file that is named is read whatever its ending. It is an error if a
// path does not exist, if a named file's source is not clear, or if there is nothing to
// read. What is left out of a folder is told by Notes.
func Open(paths []string, opts Options) (*Reader, error) {
	p, err := newPlan(paths, opts)
	if err != nil {
		return nil, err
	}
	return &Reader{plan: p, total: p.total()}, nil
}

// Next returns the next line. At the end the error is io.EOF; any other error names the
// file and ends the reading: later calls return it again.
func (r *Reader) Next() (Record, error) {
	for r.err == nil {
		if r.open == nil {
			r.err = r.openNext()
			continue
		}
		rec, err := r.nextLine()
		if err == nil {
			return rec, nil
		}
		if path := r.open.path; !errors.Is(err, io.EOF) {
			r.err = fmt.Errorf("file: %s:%d: %w", path, r.open.line+1, err)
			break
		}
		r.read += r.open.size
		r.err = r.closeFile()
	}
	return Record{}, r.err
}

// Notes returns what was not read, or not as it stands, so far: all that Open left out, and
// lines that Next met. The result is the caller's.
func (r *Reader) Notes() []Note { return append([]Note(nil), r.plan.notes...) }

// Stats returns what was read so far.
func (r *Reader) Stats() Stats { return r.stats }

// Progress returns how many bytes on disk were read, and how many there are in all.
func (r *Reader) Progress() (done, total int64) {
	done = r.read
	if r.open != nil {
		done += min(r.open.count.n, r.open.size)
	}
	return done, max(r.total, done)
}

// Close closes the file that is open. Later calls of Next return an error.
func (r *Reader) Close() error {
	err := r.closeFile()
	if r.err == nil {
		r.err = errors.New("file: reader is closed")
	}
	return err
}

func (r *Reader) closeFile() error {
	if r.open == nil {
		return nil
	}
	o := r.open
	r.open = nil
	if err := o.file.Close(); err != nil {
		return fmt.Errorf("file: %w", err)
	}
	return nil
}

func (r *Reader) openNext() error {
	if r.next == len(r.plan.files) {
		return io.EOF
	}
	p := r.plan.files[r.next]
	r.next++
	f, err := os.Open(p.path)
	if err != nil {
		return fmt.Errorf("file: %w", err)
	}
	o := &opened{planned: p, file: f, count: &counter{r: f}, wraps: filepath.Base(strings.TrimSuffix(p.path, ".gz")) == "panther-cases.jsonl"}
	var in io.Reader = o.count
	if strings.HasSuffix(p.path, ".gz") {
		if in, err = gzip.NewReader(bufio.NewReaderSize(in, 64<<10)); err != nil {
			return errors.Join(fmt.Errorf("file: %s: %w", p.path, err), f.Close())
		}
	}
	o.lines = bufio.NewReaderSize(in, 64<<10)
	if mark, _ := o.lines.Peek(3); bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = o.lines.Discard(3) // a byte order mark is no part of the first record; these bytes are buffered
	}
	r.open = o
	r.stats.Files++
	return nil
}

// nextLine returns the next line that is not blank, or the error of the file.
func (r *Reader) nextLine() (Record, error) {
	o := r.open
	for {
		line, length, err := readLine(o.lines)
		if err != nil {
			return Record{}, err
		}
		o.line++
		if length > MaxLine {
			r.stats.Cut++
			r.plan.note(o.path, o.line, fmt.Sprintf("cut to %d of %d bytes", MaxLine, length))
		} else if len(bytes.TrimSpace(line)) == 0 {
			r.stats.Blank++
			continue
		}
		if o.wraps {
			line = r.unwrap(line)
		}
		rec := Record{
			Source: o.source, Key: binary.BigEndian.AppendUint64(nil, hash(line)), Value: line,
			File: o.path, Line: o.line, Seq: r.stats.Records,
		}
		r.stats.Records++
		r.stats.Bytes += uint64(len(line))
		return rec, nil
	}
}

// unwrap returns the event inside a test case, byte for byte, or the line itself if it is
// no such case.
func (r *Reader) unwrap(line []byte) []byte {
	var c struct {
		Log json.RawMessage `json:"log"`
	}
	if err := json.Unmarshal(line, &c); err != nil || len(c.Log) == 0 {
		r.plan.note(r.open.path, r.open.line, "taken as it stands: no member log to unwrap")
		return line
	}
	return c.Log
}

// readLine returns the next line without its end, at most MaxLine bytes of it, and its
// whole length. A last line without an end is a line. The bytes are the caller's.
func readLine(b *bufio.Reader) (line []byte, length int, err error) {
	for {
		piece, err := b.ReadSlice('\n')
		if len(piece) == 0 && length == 0 && err != nil {
			return nil, 0, err
		}
		if err == nil {
			piece = piece[:len(piece)-1]
		}
		length += len(piece)
		line = append(line, piece[:min(len(piece), MaxLine-len(line))]...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, 0, err
		}
		if n := len(line); length == n && n > 0 && line[n-1] == '\r' {
			return line[:n-1], n - 1, nil
		}
		return line, length, nil
	}
}

// hash is FNV-1a in 64 bits.
func hash(p []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range p {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

// counter counts the bytes that were read from a file.
type counter struct {
	r io.Reader
	n int64
}

// Read implements [io.Reader].
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
