package feeds

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/inventory"
	"github.com/riposte-sec/riposte/pipeline/normalise"
)

// Options are what a file does not say itself.
type Options struct {
	// Format is one of Formats, or "" or "auto" to look at the file.
	Format string
	// Kind restricts what a CSV holds (assets, identities) or what a list is of (ip, domain,
	// url, hash, mail). Empty: the header, or the look of each value, decides.
	Kind string
	// Confidence of indicators without their own, 0 to 100. Default 50.
	Confidence uint8
	// Labels are added to all indicators.
	Labels []string
	// Asset is the device that a report is of, where the report does not name one.
	Asset string
	// MaxBytes and MaxEntries bound what is read. Default 256 MiB and 5,000,000.
	MaxBytes   int64
	MaxEntries int
}

// Result is what a file held.
type Result struct {
	Format string
	Items  []inventory.Item
	AsOf   pipeline.Millis // as the file says; zero if it does not
	// Skipped counts what was not taken over, by reason; Notes name the first ones.
	Skipped map[string]int
	Notes   []string
}

// maxNotes is how many skipped entries are named.
const maxNotes = 20

// format is one way to write things down.
type format struct {
	name  string
	about string
	// looks reports whether the beginning of a file looks like it.
	looks func(head []byte) bool
	read  func(p *parser, r io.Reader) error
}

// formats in the order in which they are tried.
func formats() []format {
	return []format{
		{"stix", "STIX 2.1 bundle: its indicators with simple patterns", looksSTIX, readSTIX},
		{"misp", "MISP event, or a list of them: attributes that are meant for detection", looksMISP, readMISP},
		{"kev", "CISA's known exploited vulnerabilities, JSON or CSV", looksKEV, readKEV},
		{"trivy", "Trivy report, JSON", looksTrivy, readTrivy},
		{"grype", "Grype report, JSON", looksGrype, readGrype},
		{"nessus", "Nessus report, .nessus or CSV", looksNessus, readNessus},
		{"csv", "assets or identities, CSV with a header", looksCSV, readCSV},
		{"list", "addresses, networks, domains, URLs, hashes and mail addresses, one a line", looksList, readList},
	}
}

// Formats returns the names of the formats with what they are, for help.
func Formats() (names, about []string) {
	for _, f := range formats() {
		names, about = append(names, f.name), append(about, f.about)
	}
	return names, about
}

// headBytes is how much of a file is looked at to tell its format.
const headBytes = 64 << 10

// Read reads one file; name is for messages. Its error names the line where there is one.
// Without an error, a file of which nothing could be used has no Items.
func Read(name string, r io.Reader, opt Options) (*Result, error) {
	opt.MaxBytes = cmp.Or(opt.MaxBytes, 256<<20)
	opt.MaxEntries = cmp.Or(opt.MaxEntries, 5_000_000)
	if opt.Confidence == 0 {
		opt.Confidence = 50
	}
	if opt.Confidence > 100 {
		return nil, fmt.Errorf("%s: confidence %d: want 0 to 100", name, opt.Confidence)
	}
	in := bufio.NewReaderSize(&limited{r: r, left: opt.MaxBytes, most: opt.MaxBytes}, headBytes)
	head, err := in.Peek(headBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	head = bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	f, err := choose(opt.Format, head)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if prefix, _ := in.Peek(3); bytes.Equal(prefix, []byte("\xef\xbb\xbf")) {
		_, _ = in.Discard(3) // they were peeked
	}
	p := &parser{opt: opt, canon: normalise.NewCanonical(), res: &Result{Format: f.name, Skipped: map[string]int{}}}
	if err := f.read(p, in); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", name, f.name, err)
	}
	return p.res, nil
}

func choose(name string, head []byte) (format, error) {
	all := formats()
	if name != "" && name != "auto" {
		i := slices.IndexFunc(all, func(f format) bool { return f.name == name })
		if i < 0 {
			names, _ := Formats()
			return format{}, fmt.Errorf("there is no format %q: want %s", name, strings.Join(names, ", "))
		}
		return all[i], nil
	}
	for _, f := range all {
		if f.looks(head) {
			return f, nil
		}
	}
	names, _ := Formats()
	return format{}, fmt.Errorf("the format cannot be told from the content: name it, one of %s", strings.Join(names, ", "))
}

// limited fails when more is read than may be.
type limited struct {
	r          io.Reader
	left, most int64
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		// One byte more decides whether the file ended just here.
		if n, err := l.r.Read(p[:1]); n == 0 {
			return 0, err
		}
		return 0, fmt.Errorf("more than %d bytes", l.most)
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}

// parser gathers what a format finds.
type parser struct {
	opt   Options
	canon *normalise.Canonical
	res   *Result
}

var errTooMany = errors.New("too many entries")

func (p *parser) add(it inventory.Item) error {
	if len(p.res.Items) >= p.opt.MaxEntries {
		return fmt.Errorf("%w: more than %d", errTooMany, p.opt.MaxEntries)
	}
	p.res.Items = append(p.res.Items, it)
	return nil
}

// skip counts what is not taken over. where is a line or an id, what the value.
func (p *parser) skip(reason, where, what string) {
	p.res.Skipped[reason]++
	if len(p.res.Notes) < maxNotes {
		p.res.Notes = append(p.res.Notes, fmt.Sprintf("%s: %s: %.80q", where, reason, what))
	}
}

// clip bounds free text, at a whole character.
func clip(s string, most int) string {
	s = strings.ToValidUTF8(strings.TrimSpace(s), "")
	if len(s) <= most {
		return s
	}
	for most > 0 && s[most]&0xc0 == 0x80 {
		most--
	}
	return s[:most]
}
