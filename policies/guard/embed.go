// Package guard holds the shipped guard policy (package riposte.guard): the last word of a
// policy on whether an intent is carried out, waits for people, or is refused. It is a
// bundle of its own, so that who writes playbooks does not write the guard.
package guard

import "embed"

// FS holds the policies, their tests and data.json, all at its root.
//
//go:embed *.rego data.json
var FS embed.FS
