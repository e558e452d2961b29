package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

// policy is one measured policy; its decision is data.<name>.decision.
type policy struct {
	name   string
	rules  int
	source string
}

// data returns the documents that the policies look things up in.
func data() []byte {
	assets, identities, iocs := map[string]any{}, map[string]any{}, map[string]any{}
	for i := range hosts {
		assets[fmt.Sprintf("host-%d", i)] = map[string]any{"criticality": 1 + i%5, "owner": fmt.Sprintf("team-%d", i%12), "zone": []string{"office", "dmz", "plant"}[i%3]}
	}
	for i := range users {
		identities[fmt.Sprintf("user-%d", i)] = map[string]any{"admin": i%17 == 0, "vip": i%29 == 0, "department": i % 9}
	}
	for i := range 1500 {
		iocs[hash(i*7)] = map[string]any{"family": fmt.Sprintf("fam-%d", i%40), "confidence": 50 + i%50}
	}
	text, err := json.Marshal(map[string]any{"assets": assets, "identities": identities, "iocs": iocs, "allow": map[string]any{"hosts": []string{"host-7", "host-13"}, "users": []string{"user-3"}}})
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return text
}

const small = `package small

criticality := object.get(data.assets, [input.device.hostname, "criticality"], 1)

admin := object.get(data.identities, [input.actor.user.name, "admin"], false)

vip := object.get(data.identities, [input.actor.user.name, "vip"], false)

priority := "P1" if {
	input.severity_id >= 5
	criticality >= 4
} else := "P1" if {
	input.severity_id == 6
	admin
} else := "P2" if {
	input.severity_id >= 5
	criticality >= 2
} else := "P2" if {
	input.severity_id == 4
	criticality == 5
} else := "P2" if {
	vip
	input.severity_id >= 3
} else := "P3" if {
	input.severity_id >= 4
} else := "P3" if {
	input.severity_id == 3
	criticality >= 3
} else := "P3" if {
	input.class_uid == 2004
	input.score > 50
} else := "P4" if {
	input.severity_id >= 2
} else := "P5"

decision := {"priority": priority, "host": input.device.hostname, "criticality": criticality, "page": page}

default page := false

page if priority in {"P1", "P2"}
`

// medium is about 70 rules: detections of each kind, lists, score, playbooks.
func medium() string {
	var b strings.Builder
	b.WriteString("package medium\n\n")
	rule := func(name string, conds ...string) {
		fmt.Fprintf(&b, "finding contains %q if {\n\t%s\n}\n\n", name, strings.Join(conds, "\n\t"))
	}
	for i, p := range procs[6:22] {
		rule("lolbin-"+p, "input.class_uid == 1007", fmt.Sprintf("input.process.name == %q", p+".exe"), fmt.Sprintf("contains(lower(input.process.cmd_line), %q)", tokens[i%len(tokens)]))
	}
	for i, t := range tokens[:8] {
		rule("token-"+t, fmt.Sprintf("regex.match(`(?i)%s.*%d`, input.process.cmd_line)", t, i%3))
	}
	for i, g := range []string{"*.evil.top", "*.bad.ru", "*.phish.xyz", "login.*", "*.top"} {
		rule(fmt.Sprintf("dns-%d", i), "input.class_uid == 4003", fmt.Sprintf(`glob.match(%q, ["."], input.query.hostname)`, g))
	}
	for i, c := range []string{"185.0.0.0/8", "91.0.0.0/9", "45.64.0.0/10", "203.0.113.0/24", "10.39.0.0/16"} {
		rule(fmt.Sprintf("net-%d", i), "input.class_uid == 4001", fmt.Sprintf("net.cidr_contains(%q, input.dst_endpoint.ip)", c))
	}
	for i, p := range []int{4444, 3389, 5985, 1433, 445} {
		rule(fmt.Sprintf("port-%d", p), "input.class_uid == 4001", fmt.Sprintf("input.dst_endpoint.port == %d", p), fmt.Sprintf("input.traffic.bytes_out > %d", (i+1)*9000000))
	}
	rule("ioc-hash", "some h in input.process.file.hashes", "data.iocs[h.value].confidence > 60")
	rule("brute", "input.class_uid == 3002", "input.failures > 15", "input.status_id == 2")
	rule("ntlm-admin", "input.class_uid == 3002", `input.auth_protocol == "ntlm"`, "admin")
	rule("no-mfa-remote", "input.class_uid == 3002", "not input.mfa", "input.actor.session.is_remote")
	rule("phish", "input.class_uid == 4009", `input.email.subject in {"urgent payment", "password reset", "invoice urgent"}`)
	rule("mail-domain", "input.class_uid == 4009", "some u in input.email.urls", `contains(u, "phish")`)
	b.WriteString(mediumRest)
	return b.String()
}

const mediumRest = `admin if data.identities[input.actor.user.name].admin

criticality := object.get(data.assets, [input.device.hostname, "criticality"], 1)

zone := object.get(data.assets, [input.device.hostname, "zone"], "unknown")

default allowed := false

allowed if input.device.hostname in data.allow.hosts

allowed if input.actor.user.name in data.allow.users

score := (count(finding) * 10) + (criticality * 3)

default priority := "P4"

priority := "P1" if {
	not allowed
	score >= 35
} else := "P2" if {
	not allowed
	score >= 22
} else := "P3" if {
	not allowed
	count(finding) > 0
}

step contains "notify" if count(finding) > 0

step contains "isolate" if {
	priority == "P1"
	zone != "plant"
}

step contains "ticket" if priority in {"P1", "P2"}

step contains "disable-user" if {
	priority == "P1"
	admin
}

step contains "block-ip" if {
	some f in finding
	startswith(f, "net-")
}

step contains "collect" if "ioc-hash" in finding

decision := {"findings": finding, "score": score, "priority": priority, "steps": step}
`

// large has n findings, of which the first 500 are the same for each n and the
// others are of the same shapes but match none of the events.
func large(n int) string {
	var b strings.Builder
	b.WriteString("package large\n\n")
	for i := range n {
		class := classes[i%len(classes)]
		fmt.Fprintf(&b, "finding contains \"F-%04d\" if {\n\tinput.class_uid == %d\n\t%s\n}\n\n", i, class, condition(i))
	}
	b.WriteString(`criticality := object.get(data.assets, [input.device.hostname, "criticality"], 1)

score := (count(finding) * 10) + criticality

default priority := "P4"

priority := "P1" if score > 60 else := "P2" if score > 30 else := "P3" if count(finding) > 0

step contains "notify" if count(finding) > 0

step contains "isolate" if priority == "P1"

decision := {"findings": finding, "score": score, "priority": priority, "steps": step}
`)
	return b.String()
}

func condition(i int) string {
	never := i >= 500
	switch i % 4 {
	case 0:
		code := fmt.Sprintf("E%d", i%400)
		if never {
			code = fmt.Sprintf("X%d", i)
		}
		return fmt.Sprintf("input.event_code == %q", code)
	case 1:
		name := procs[i%len(procs)]
		if never {
			name = fmt.Sprintf("tool%d", i)
		}
		return fmt.Sprintf("input.process.name == %q\n\tinput.process.parent_process.name == %q", name+".exe", procs[(i*7)%len(procs)]+".exe")
	case 2:
		port := ports[i%len(ports)]
		if never {
			port = 20000 + i
		}
		return fmt.Sprintf("input.dst_endpoint.port == %d\n\tinput.traffic.bytes_out > %d", port, 90000000+i*1000)
	}
	token := tokens[i%len(tokens)]
	if never {
		token = fmt.Sprintf("token-%d", i)
	}
	return fmt.Sprintf("contains(lower(input.process.cmd_line), %q)", fmt.Sprintf("%s --id %d", token, i%10))
}

func policiesUnderTest() []policy {
	return []policy{
		{"small", 10, small}, {"medium", 70, medium()}, {"large", 500, large(500)}, {"large", 5000, large(5000)},
	}
}
