// Package stories holds the sample traffic's attack stories to their word: its test sends
// the traffic through the real stages, one after the other in one goroutine, with the
// shipped mappings, detections, correlations, playbooks and guard, and looks for the
// incidents and the responses that each story says it leads to.
package stories
