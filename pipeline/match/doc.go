// Package match finds the detections that match an event and makes signals of them.
//
// A detection is one Rego file: package riposte.detect.<name>, METADATA with title and
// custom {id, severity, attack, owner, group_by, classes, sources}, and a rule match that
// is true for the events it means. Load reads and checks them, New builds the stage.
//
// The evaluation itself is behind [pipeline.Matcher]: NewEngine makes those on the policy
// engine, NewTopdown the one on the stock interpreter of OPA, which is the judge of what the
// right answer is.
package match
