package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// The output formats.
const (
	formatTable = "table"
	formatJSON  = "json"
	formatJSONL = "jsonl"
	formatCSV   = "csv"
)

// formatFlag adds --format with the formats that a command knows; the first is the default.
func formatFlag(c *cobra.Command, into *string, formats ...string) {
	c.Flags().Var(&choice{into, formats}, "format", "output format: "+strings.Join(formats, ", "))
	*into = formats[0]
}

// choice is a flag with a closed set of values.
type choice struct {
	value   *string
	choices []string
}

func (c *choice) String() string {
	if c.value == nil {
		return ""
	}
	return *c.value
}

func (c *choice) Type() string { return "format" }

func (c *choice) Set(s string) error {
	if !slices.Contains(c.choices, s) {
		return fmt.Errorf("want one of %s", strings.Join(c.choices, ", "))
	}
	*c.value = s
	return nil
}

// writeJSON prints v as one indented document.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// writeJSONLine prints v as one line.
func writeJSONLine(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// sheet is a result of rows and columns in any of the formats.
type sheet struct {
	columns []string
	rows    [][]string
}

func (s *sheet) add(cells ...string) { s.rows = append(s.rows, cells) }

func (s *sheet) write(w io.Writer, format string) error {
	switch format {
	case formatCSV:
		cw := csv.NewWriter(w)
		if err := cw.Write(s.columns); err != nil {
			return err
		}
		for _, r := range s.rows {
			for i := range r {
				r[i] = plain(r[i])
			}
			if err := cw.Write(r); err != nil {
				return err
			}
		}
		cw.Flush()
		return cw.Error()
	case formatJSON, formatJSONL:
		return s.writeObjects(w, format)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, strings.ToUpper(strings.Join(s.columns, "\t")))
	for _, r := range s.rows {
		for i := range r {
			r[i] = printable(r[i])
		}
		fmt.Fprintln(tw, strings.Join(r, "\t"))
	}
	return tw.Flush()
}

func (s *sheet) writeObjects(w io.Writer, format string) error {
	objects := make([]map[string]string, 0, len(s.rows))
	for _, r := range s.rows {
		o := make(map[string]string, len(r))
		for i, cell := range r {
			o[s.columns[i]] = cell
		}
		objects = append(objects, o)
	}
	if format == formatJSON {
		return writeJSON(w, objects)
	}
	for _, o := range objects {
		if err := writeJSONLine(w, o); err != nil {
			return err
		}
	}
	return nil
}

// printable makes text of an attacker's choice fit for a terminal: control characters and
// what changes the direction of writing are shown escaped.
func printable(s string) string {
	if !strings.ContainsFunc(s, unprintable) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unprintable(r) {
			fmt.Fprintf(&b, "\\u%04x", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func unprintable(r rune) bool {
	return r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0xfffd || r >= 0x200b && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// plain keeps a spreadsheet from reading a cell as a formula.
func plain(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
