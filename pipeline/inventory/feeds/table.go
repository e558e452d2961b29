package feeds

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxColumns is how many columns a table may have.
const maxColumns = 256

// table reads CSV with a header. Names of columns are compared in lower case, without spaces
// and underscores.
type table struct {
	r    *csv.Reader
	head []string
	row  []string
	line int
	err  error
}

// separators that CSV comes with; the one that splits the header into the most columns is
// taken.
const separators = ",;\t"

func openTable(r io.Reader) (*table, error) {
	t := &table{r: csv.NewReader(r)}
	t.r.ReuseRecord, t.r.FieldsPerRecord, t.r.LazyQuotes = true, -1, true
	head, err := t.r.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("no header")
	}
	if err != nil {
		return nil, err
	}
	if len(head) == 1 && strings.ContainsAny(head[0], separators[1:]) {
		t.r.Comma = ';'
		if strings.Count(head[0], "\t") > strings.Count(head[0], ";") {
			t.r.Comma = '\t'
		}
		head = strings.Split(head[0], string(t.r.Comma))
	}
	if len(head) > maxColumns {
		return nil, fmt.Errorf("line 1: %d columns, at most %d", len(head), maxColumns)
	}
	for _, h := range head {
		t.head = append(t.head, columnName(h))
	}
	return t, nil
}

func columnName(s string) string {
	return strings.ToLower(strings.NewReplacer(" ", "", "_", "", "-", "", `"`, "", "?", "").Replace(s))
}

// next reads the next row that is not empty.
func (t *table) next() bool {
	for t.err == nil {
		row, err := t.r.Read()
		if errors.Is(err, io.EOF) {
			return false
		}
		if err != nil {
			t.err = err // it names the line
			return false
		}
		t.line, _ = t.r.FieldPos(0)
		t.row = row
		if slices.ContainsFunc(row, func(s string) bool { return strings.TrimSpace(s) != "" }) {
			return true
		}
	}
	return false
}

// get returns the first cell of the row, among the columns of those names, that holds
// something.
func (t *table) get(names ...string) string {
	for _, n := range names {
		if i := slices.Index(t.head, n); i >= 0 && i < len(t.row) {
			if v := strings.TrimSpace(t.row[i]); v != "" {
				return v
			}
		}
	}
	return ""
}

// list returns the values of all those columns; in a cell they stand between ; | or spaces.
func (t *table) list(names ...string) []string {
	var out []string
	for _, n := range names {
		if i := slices.Index(t.head, n); i >= 0 && i < len(t.row) {
			out = append(out, strings.FieldsFunc(t.row[i], func(r rune) bool { return r == ';' || r == '|' || r == ' ' || r == ',' })...)
		}
	}
	return out
}

func (t *table) where() string { return fmt.Sprintf("line %d", t.line) }

// at adds the line to an error.
func (t *table) at(err error) error { return fmt.Errorf("line %d: %w", t.line, err) }
