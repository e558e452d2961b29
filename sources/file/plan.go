package file

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Folders returns the folder names that name a source, each with the source. The map is the
// caller's.
func Folders() map[string]string { return maps.Clone(folders) }

var folders = map[string]string{
	"suricata": "suricata", "suricata_eve": "suricata",
	"zeek":       "zeek",
	"windows":    "windows",
	"cloudtrail": "cloudtrail", "aws_cloudtrail": "cloudtrail",
	"okta": "okta",
	"ocsf": "ocsf",
}

// endings are those of files with one record per line; each may be followed by .gz.
var endings = []string{".jsonl", ".ndjson", ".log"}

// planned is a file to read.
type planned struct {
	path   string
	source string
	size   int64 // bytes on disk
}

// Note says why something was not read, or not read as it stands.
type Note struct {
	Path   string
	Line   int // from 1; 0 if it is about the whole file or folder
	Reason string
}

// String returns the note as path:line: reason.
func (n Note) String() string {
	if n.Line == 0 {
		return n.Path + ": " + n.Reason
	}
	return fmt.Sprintf("%s:%d: %s", n.Path, n.Line, n.Reason)
}

// plan is what there is to read, in the order in which it is read.
type plan struct {
	opts  Options
	files []planned
	notes []Note
	seen  map[string]bool // absolute paths
}

func newPlan(paths []string, opts Options) (*plan, error) {
	if len(paths) == 0 {
		return nil, errors.New("file: no paths given")
	}
	p := &plan{opts: opts, seen: map[string]bool{}}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("file: %w", err)
		}
		if info.IsDir() {
			err = p.addFolder(path)
		} else {
			err = p.addNamed(path, info)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(p.files) == 0 {
		return nil, fmt.Errorf("file: nothing to read in %s: want %s files, plain or .gz, in folders named %s, or a source given by name",
			strings.Join(paths, ", "), strings.Join(endings, ", "), strings.Join(slices.Sorted(maps.Keys(folders)), ", "))
	}
	return p, nil
}

// addNamed adds a file that the caller named: any ending will do, but it must be clear
// which source it belongs to.
func (p *plan) addNamed(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("file: %s is neither a file nor a folder", path)
	}
	source := p.opts.Source
	if source == "" {
		abs, err := filepath.Abs(path)
		if err != nil {
			return fmt.Errorf("file: %w", err)
		}
		if source = sourceOf(abs); source == "" {
			return fmt.Errorf("file: %s lies in no folder that names a source (%s): name the source",
				path, strings.Join(slices.Sorted(maps.Keys(folders)), ", "))
		}
	}
	return p.add(path, source, info.Size())
}

func (p *plan) addFolder(root string) error {
	abs, err := filepath.Abs(root)
	if err != nil {
		return fmt.Errorf("file: %w", err)
	}
	strange := map[string]bool{}
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("file: %w", err)
		case d.IsDir():
			return nil
		case !d.Type().IsRegular():
			p.note(path, 0, "not read: not a regular file")
			return nil
		case !recorded(path):
			p.note(path, 0, "not read: the ending is none of "+strings.Join(endings, ", ")+", plain or .gz")
			return nil
		}
		source := p.opts.Source
		if source == "" {
			source = sourceOf(filepath.Join(abs, strings.TrimPrefix(path, root)))
		}
		if source == "" {
			if dir := filepath.Dir(path); !strange[dir] {
				strange[dir] = true
				p.note(dir, 0, "not read: the folder names no source")
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return fmt.Errorf("file: %w", err)
		}
		return p.add(path, source, info.Size())
	})
}

func (p *plan) add(path, source string, size int64) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("file: %w", err)
	}
	if p.seen[abs] {
		p.note(path, 0, "not read again: named more than once")
		return nil
	}
	p.seen[abs] = true
	p.files = append(p.files, planned{path: path, source: source, size: size})
	return nil
}

func (p *plan) note(path string, line int, reason string) {
	p.notes = append(p.notes, Note{Path: path, Line: line, Reason: reason})
}

// total returns the bytes on disk of all files.
func (p *plan) total() int64 {
	var n int64
	for _, f := range p.files {
		n += f.size
	}
	return n
}

// sourceOf returns the source that the nearest folder above path names, "" if none does.
func sourceOf(path string) string {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if s := folders[filepath.Base(dir)]; s != "" {
			return s
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

// recorded reports whether the name is that of a file with one record per line.
func recorded(path string) bool {
	return slices.Contains(endings, cmp.Or(filepath.Ext(strings.TrimSuffix(path, ".gz")), "none"))
}
