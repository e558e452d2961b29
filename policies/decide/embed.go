// Package decide holds the shipped playbooks: one Rego file each in package
// riposte.playbook.<name>, the router that makes one decision of them (package
// riposte.decide), the library riposte.lib, and data.json, which says which detection or
// ATT&CK technique leads to which playbook.
package decide

import "embed"

// FS holds the policies, their tests and data.json, all at its root.
//
//go:embed *.rego data.json
var FS embed.FS
