package sample

import (
	"fmt"
	"strings"
)

// File is a file that the organisation of the sample traffic would load as context.
type File struct {
	Name string // with the ending that tells what it is
	Text string
}

// Context returns what the organisation knows about itself, and what a feed of indicators
// knows about its attackers, as files for `riposte context load`. cfg must be valid.
func Context(cfg Config) []File {
	o := newOrg(cfg.Seed, cfg.Hosts, cfg.Users)
	return []File{
		{"sample-assets.csv", assetTable(o)},
		{"sample-identities.csv", identityTable(o)},
		{"sample-indicators.txt", indicatorList()},
		{"sample-scan.csv", scanReport(o)},
		{"sample-exploited.csv", exploitedList},
	}
}

// serverClasses say what the roles of servers mean: class, criticality, exposure.
var serverClasses = map[string][3]string{
	"DC":   {"domain_controller", "crown", "internal"},
	"FILE": {"file_server", "high", "internal"}, "MAIL": {"mail_server", "high", "internal"}, "SQL": {"database", "high", "internal"},
	"BACKUP": {"backup_server", "crown", "internal"}, "WEB": {"web_server", "medium", "internet"}, "RDGW": {"gateway", "high", "internet"},
}

func assetTable(o *org) string {
	var b strings.Builder
	b.WriteString("host,ip,criticality,class,owner,exposure\n")
	for _, h := range o.hosts {
		class := [3]string{"workstation", "low", "internal"}
		if h.server {
			role, _, _ := strings.Cut(h.name, "-")
			var ok bool
			if class, ok = serverClasses[role]; !ok {
				class = [3]string{"server", "medium", "internal"}
			}
		}
		fmt.Fprintf(&b, "%s;%s,%s,%s,%s,it-operations,%s\n", h.fqdn, strings.ToLower(h.name), h.ip, class[1], class[0], class[2])
	}
	return b.String()
}

// Every so many users one has administrative rights; the first victim of password spraying
// is among them.
const privilegedEvery, firstPrivileged = 25, 11

func identityTable(o *org) string {
	var b strings.Builder
	b.WriteString("user,mail,name,privileged,vip,service,key\n")
	yes := map[bool]string{true: "yes", false: "no"}
	for i := range o.users {
		u := &o.users[i]
		fmt.Fprintf(&b, "%s,%s,%s,%s,%s,no,\n", u.name, u.mail, u.display, yes[i%privilegedEvery == firstPrivileged%privilegedEvery], yes[i < 5])
	}
	for _, c := range o.cloud {
		fmt.Fprintf(&b, "%s,,,no,no,yes,%s\n", c.name, c.key)
	}
	return b.String()
}

// dropSites are on the list as well, though no story goes there.
var dropSites = []string{"203.0.113.230", "203.0.113.244"}

func indicatorList() string {
	return "# addresses of command servers and drop sites in the sample traffic\n" +
		strings.Join(commandServers, "\n") + "\n" + strings.Join(dropSites, "\n") + "\n"
}

// scanReport is what a scanner found on every second server, as Nessus exports it.
func scanReport(o *org) string {
	var b strings.Builder
	b.WriteString("Plugin ID,CVE,Risk,Host,Protocol,Port,Name\n")
	for i, h := range o.servers {
		if i%2 == 0 {
			fmt.Fprintf(&b, "97833,CVE-2017-0144,Critical,%s,tcp,445,MS17-010: SMB server\n", h.ip)
			fmt.Fprintf(&b, "42873,CVE-2016-2183,Medium,%s,tcp,443,SSL medium strength cipher suites\n", h.ip)
		}
	}
	return b.String()
}

const exploitedList = "cveID,vendorProject,product,vulnerabilityName,dateAdded,knownRansomwareCampaignUse\n" +
	"CVE-2017-0144,Microsoft,SMBv1,Microsoft SMBv1 Remote Code Execution Vulnerability,2022-02-10,Known\n"
