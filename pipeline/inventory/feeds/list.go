package feeds

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
)

// maxLine is the longest line of a list, in bytes.
const maxLine = 64 << 10

// listKinds are what a list can be said to be of.
var listKinds = []string{"ip", "domain", "url", "hash", "mail"}

// looksList takes what has at least one line whose value looks like something.
func looksList(head []byte) bool {
	for line := range strings.Lines(string(head)) {
		if value := listValue(line); value != "" {
			return kindOf(value) != ""
		}
	}
	return false
}

// listValue returns the value of a line: its first word, without comments (#, ; or //) and
// without the brackets that keep people from clicking on it. Of a line of a hosts file it is
// the name.
func listValue(line string) string {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' || line[0] == ';' || strings.HasPrefix(line, "//") {
		return ""
	}
	if i := strings.Index(line, " #"); i >= 0 {
		line = line[:i]
	}
	words := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' })
	if len(words) == 0 {
		return ""
	}
	value := words[0]
	if len(words) == 2 && (value == "0.0.0.0" || value == "127.0.0.1" || value == "::1" || value == "::") {
		value = words[1]
	}
	return refang(strings.Trim(value, `"'`))
}

// refang undoes hxxp://evil[.]example.
func refang(s string) string {
	if !strings.ContainsAny(s, "[x") {
		return s
	}
	s = strings.NewReplacer("[.]", ".", "(.)", ".", "[:]", ":", "[@]", "@").Replace(s)
	if rest, ok := strings.CutPrefix(s, "hxxp"); ok {
		s = "http" + rest
	}
	return s
}

func readList(p *parser, r io.Reader) error {
	if p.opt.Kind != "" && !slices.Contains(listKinds, p.opt.Kind) {
		return fmt.Errorf("a list is of %s, not of %q", strings.Join(listKinds, ", "), p.opt.Kind)
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 4096), maxLine)
	n := 0
	for lines.Scan() {
		n++
		value := listValue(lines.Text())
		if value == "" {
			continue
		}
		kind := p.opt.Kind
		if kind == "" {
			kind = kindOf(value)
		}
		where := fmt.Sprintf("line %d", n)
		if kind == "" {
			p.skip(skipType, where, value)
			continue
		}
		if err := p.indicator(kind, value, where, pipeline.Indicator{}); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("line %d: longer than %d bytes", n+1, maxLine)
	} else if err != nil {
		return fmt.Errorf("line %d: %w", n+1, err)
	}
	return nil
}
