package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/riposte-sec/riposte/bench/oracle"
	"github.com/riposte-sec/riposte/policies"
)

// writePolicies makes the folder that workers load: the shipped policies, and a detection
// and a document for everything that the oracle predicts episodes of.
func writePolicies(dir string) error {
	if err := os.CopyFS(dir, policies.FS); err != nil {
		return err
	}
	write := func(folder, name string, text []byte) error {
		return os.WriteFile(filepath.Join(dir, folder, name), text, 0o600)
	}
	steps := oracle.Steps()
	for _, rule := range slices.Sorted(maps.Keys(steps)) {
		if err := write("detections", rule+".rego", detection(rule, steps[rule])); err != nil {
			return err
		}
	}
	for _, c := range oracle.Correlations() {
		if err := write("correlations", c.ID+".yml", document(c)); err != nil {
			return err
		}
	}
	return nil
}

// detection is the text of a detection of one Suricata signature.
func detection(rule string, signature int) []byte {
	return fmt.Appendf(nil, `# METADATA
# title: A step of the oracle
# description: The oracle's own signature %[2]d.
# custom:
#   id: %[1]s
#   severity: informational
#   attack: [TA0011, T1071.001]
#   owner: riposte
#   sources: [suricata]
#   classes: [2004]
#   group_by: [src_endpoint.ip]
package riposte.detect.%[1]s

match if {
	input.class_uid == 2004
	input.finding_info.uid == "%[2]d"
}
`, rule, signature)
}

// value is the path of what the oracle calls the value of a record.
const value = "dst_endpoint.port"

// document is the text of a correlation document.
func document(c oracle.Correlation) []byte {
	b := fmt.Appendf(nil, `title: Correlation under test
id: %s
level: low
correlation:
  type: %s
  rules: [%s]
  group-by: [src_endpoint.ip]
  timespan: %ds
`, c.ID, c.Kind, strings.Join(c.Rules, ", "), int(c.Span.Seconds()))
	switch c.Kind {
	case oracle.EventCount:
		b = fmt.Appendf(b, "  condition: {gte: %d}\n", c.AtLeast)
	case oracle.ValueCount, oracle.ValueSum, oracle.ValueAvg:
		b = fmt.Appendf(b, "  condition: {field: %s, gte: %d}\n", value, c.AtLeast)
	case oracle.FirstSeen:
		b = fmt.Appendf(b, "  field: %s\n", value)
	case oracle.Temporal, oracle.TemporalOrdered, oracle.Absence:
	}
	return b
}
