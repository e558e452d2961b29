package correlate

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/riposte-sec/riposte/pipeline"
)

// Type is the kind of a correlation: those of Sigma's correlation format and ours.
type Type string

// The types. Single is the type of a detection by itself and stands in no document.
const (
	Single          Type = "single"
	EventCount      Type = "event_count"
	ValueCount      Type = "value_count"
	ValueSum        Type = "value_sum"
	ValueAvg        Type = "value_avg"
	ValuePercentile Type = "value_percentile"
	Temporal        Type = "temporal"
	TemporalOrdered Type = "temporal_ordered"
	Absence         Type = "absence"
	FirstSeen       Type = "first_seen"
	Risk            Type = "risk"
)

var alertKinds = map[Type]string{
	Single: pipeline.AlertSingle, EventCount: pipeline.AlertThreshold, ValueCount: pipeline.AlertDistinct,
	ValueSum: pipeline.AlertAggregate, ValueAvg: pipeline.AlertAggregate, ValuePercentile: pipeline.AlertAggregate,
	Temporal: pipeline.AlertSequence, TemporalOrdered: pipeline.AlertSequence, Absence: pipeline.AlertAbsence,
	FirstSeen: pipeline.AlertFirstSeen, Risk: pipeline.AlertRisk,
}

// Correlation is one document, checked and with its defaults filled in. It is immutable.
type Correlation struct {
	ID         string
	Name       string
	Title      string
	Owner      string
	Severity   uint8 // OCSF severity_id; 0: the highest among the evidence
	Tactics    []string
	Techniques []string

	Type    Type
	Rules   []string // ids of detections and correlations, as documents name them
	GroupBy []string
	Aliases map[string]map[string]string // alias -> rule -> path
	Span    time.Duration
	Cond    Condition
	Expr    *Expr    // of temporal
	Fields  []string // what value_* and first_seen look at

	Percentile int // of value_percentile, 1 to 100
	// Generate says that the rules named here also alert by themselves. Sigma's default is
	// that they do not.
	Generate bool
	// IncidentBy is the kind of the entity that the alert's incident groups by; EntityNone:
	// the first entity.
	IncidentBy pipeline.EntityKind

	Learning time.Duration      // first_seen: how long a group only learns
	Source   string             // absence: the source that the awaited signals come from
	Alive    time.Duration      // absence: how long Source may be silent and still be alive
	Weights  map[string]float64 // risk: by rule, default 10
	HalfLife time.Duration      // risk
	Distinct int                // risk: tactics that must be among the evidence

	forms      map[string]string // by rule, of the signals that are meant; set by NewSet
	predicates map[string]string // by detection, see Set.For

	File string
	Line int // of the key "correlation"
}

// document is the YAML form.
type document struct {
	Title          string     `yaml:"title"`
	ID             string     `yaml:"id"`
	Name           string     `yaml:"name"`
	Status         string     `yaml:"status"`
	Description    string     `yaml:"description"`
	Author         string     `yaml:"author"`
	References     []string   `yaml:"references"`
	Date           string     `yaml:"date"`
	Modified       string     `yaml:"modified"`
	Taxonomy       string     `yaml:"taxonomy"`
	Tags           []string   `yaml:"tags"`
	FalsePositives stringList `yaml:"falsepositives"`
	Level          string     `yaml:"level"`
	Correlation    yaml.Node  `yaml:"correlation"`
}

type body struct {
	Type       Type                         `yaml:"type"`
	Rules      []string                     `yaml:"rules"`
	GroupBy    []string                     `yaml:"group-by"`
	Timespan   span                         `yaml:"timespan"`
	Aliases    map[string]map[string]string `yaml:"aliases"`
	Condition  condition                    `yaml:"condition"`
	Generate   bool                         `yaml:"generate"`
	IncidentBy string                       `yaml:"incident-by"`
	Field      stringList                   `yaml:"field"`
	Learning   span                         `yaml:"learning"`
	Source     string                       `yaml:"source"`
	Alive      span                         `yaml:"alive"`
	Weights    map[string]float64           `yaml:"weights"`
	HalfLife   span                         `yaml:"half-life"`
	Tactics    int                          `yaml:"tactics"`
}

// span is a duration as Sigma writes it: 30s, 15m, 1h, 14d.
type span time.Duration

var spanPattern = regexp.MustCompile(`^([1-9][0-9]{0,5})([smhd])$`)

// UnmarshalYAML implements yaml.Unmarshaler.
func (s *span) UnmarshalYAML(n *yaml.Node) error {
	d, err := ParseSpan(n.Value)
	if err != nil {
		return fmt.Errorf("line %d: %w", n.Line, err)
	}
	*s = span(d)
	return nil
}

// ParseSpan reads a time span as Sigma writes it: a number and one of s, m, h, d.
func ParseSpan(text string) (time.Duration, error) {
	m := spanPattern.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("time span %q: want a number and one of s, m, h, d", text)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return 0, fmt.Errorf("time span %q: %w", text, err)
	}
	unit := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[m[2]]
	return time.Duration(n) * unit, nil
}

// stringList is one text or a list of texts.
type stringList []string

// UnmarshalYAML implements yaml.Unmarshaler.
func (l *stringList) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*l = stringList{n.Value}
		return nil
	}
	return n.Decode((*[]string)(l))
}

// parse reads one document.
func parse(file string, src []byte) (*Correlation, error) {
	var doc document
	dec := yaml.NewDecoder(strings.NewReader(string(src)))
	dec.KnownFields(true)
	if err := dec.Decode(&doc); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if doc.Correlation.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s: no mapping \"correlation\"", file)
	}
	line := doc.Correlation.Line
	var b body
	if err := decodeStrict(&doc.Correlation, &b); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	c := &Correlation{
		ID: doc.ID, Name: doc.Name, Title: doc.Title, Owner: doc.Author, File: file, Line: line,
		Type: b.Type, Rules: b.Rules, GroupBy: b.GroupBy, Aliases: b.Aliases, Span: time.Duration(b.Timespan),
		Cond: b.Condition.num, Fields: slices.Concat(b.Condition.fields, b.Field), Percentile: b.Condition.percentile,
		Generate: b.Generate, Learning: time.Duration(b.Learning), Alive: time.Duration(b.Alive), Source: b.Source,
		Weights: b.Weights, HalfLife: time.Duration(b.HalfLife), Distinct: b.Tactics,
	}
	if c.ID == "" {
		c.ID = c.Name
	}
	err := errors.Join(c.setMeta(doc.Level, doc.Tags, b.IncidentBy), c.setExpr(b.Condition.expr), c.validate())
	if err != nil {
		return nil, fmt.Errorf("%s:%d: %w", file, line, err)
	}
	return c, nil
}

// decodeStrict decodes n and reports keys that the type does not know, with their line.
func decodeStrict(n *yaml.Node, b *body) error {
	if err := knownKeys(n, b); err != nil {
		return err
	}
	return n.Decode(b)
}

// knownKeys reports the first key of n, and of the mappings in it, that v, a pointer to a
// struct, has no field for. A node's own decoder does not know such strictness.
func knownKeys(n *yaml.Node, v any) error {
	t := reflect.TypeOf(v).Elem()
	if n.Kind != yaml.MappingNode || t.Kind() != reflect.Struct {
		return nil
	}
	var known []string
	for f := range t.Fields() {
		known = append(known, f.Tag.Get("yaml"))
	}
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i]
		at := slices.Index(known, key.Value)
		if at < 0 {
			return fmt.Errorf("line %d: there is no key %q, want one of %s", key.Line, key.Value, strings.Join(known, ", "))
		}
		if f := t.Field(at).Type; f.Kind() == reflect.Struct && f.Field(0).Tag.Get("yaml") != "" { // one of ours
			if err := knownKeys(n.Content[i+1], reflect.New(f).Interface()); err != nil {
				return err
			}
		}
	}
	return nil
}

var levels = []string{"", "informational", "low", "medium", "high", "critical"}

// tactics are the names that Sigma's tags give to ATT&CK's tactics.
var tactics = map[string]string{
	"reconnaissance": "TA0043", "resource-development": "TA0042", "initial-access": "TA0001", "execution": "TA0002",
	"persistence": "TA0003", "privilege-escalation": "TA0004", "defense-evasion": "TA0005", "credential-access": "TA0006",
	"discovery": "TA0007", "lateral-movement": "TA0008", "collection": "TA0009", "exfiltration": "TA0010",
	"command-and-control": "TA0011", "impact": "TA0040",
}

var techniquePattern = regexp.MustCompile(`^t\d{4}(\.\d{3})?$`)

func (c *Correlation) setMeta(level string, tags []string, incidentBy string) error {
	i := slices.Index(levels, level)
	if i < 0 {
		return fmt.Errorf("level %q is none of %s", level, strings.Join(levels[1:], ", "))
	}
	c.Severity = uint8(i)
	if incidentBy != "" {
		if c.IncidentBy = pipeline.EntityKindOf(incidentBy); c.IncidentBy == pipeline.EntityNone {
			return fmt.Errorf("incident-by %q is no kind of entity", incidentBy)
		}
	}
	for _, tag := range tags {
		name, ok := strings.CutPrefix(tag, "attack.")
		if !ok {
			continue
		}
		name = strings.ReplaceAll(name, "_", "-")
		switch {
		case techniquePattern.MatchString(name):
			c.Techniques = append(c.Techniques, strings.ToUpper(name))
		case tactics[name] != "":
			c.Tactics = append(c.Tactics, tactics[name])
		default:
			return fmt.Errorf("tag %q is no tactic or technique of ATT&CK", tag)
		}
	}
	return nil
}
