package feeds

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/riposte-sec/riposte/internal/sharedata"
	"github.com/riposte-sec/riposte/pipeline/inventory"
)

// short is an item as a line of these tests.
func short(it *inventory.Item) string {
	switch {
	case it.Asset != nil:
		a := it.Asset
		return fmt.Sprintf("%s:%s hosts=%v ips=%v %s %s %s %s", a.Kind, a.Value, a.Hosts, a.IPs, a.Criticality, a.Class, a.Owner, a.Exposure)
	case it.Identity != nil:
		i := it.Identity
		return fmt.Sprintf("%s:%s %v %s privileged=%v vip=%v service=%v", i.Kind, i.Value, i.Aliases, i.Name, i.Privileged, i.VIP, i.Service)
	case it.Finding != nil:
		f := it.Finding
		return fmt.Sprintf("%s:%s %s severity=%d score=%g %s", f.Kind, f.Value, f.ID, f.Severity, f.Score, f.Package)
	case it.Exploited != nil:
		return fmt.Sprintf("%s ransomware=%v", it.Exploited.ID, it.Exploited.Ransomware)
	}
	i := it.Indicator
	return fmt.Sprintf("%s:%s %d", i.Kind, i.Value, i.Confidence)
}

func TestFormatsAreReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	f := func(name, text string, opt Options, format string, want []string, skipped map[string]int) {
		t.Helper()
		res, err := Read(name, strings.NewReader(text), opt)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		var got []string
		for i := range res.Items {
			got = append(got, short(&res.Items[i]))
		}
		if res.Format != format || !slices.Equal(got, want) || !maps.Equal(res.Skipped, skipped) {
			t.Errorf("%s: got %s %q, skipped %v, want %s %q, skipped %v", name, res.Format, got, res.Skipped, format, want, skipped)
		}
	}
	none := map[string]int{}
	f("list of everything", "# comment\n198.51.100.7 # note\n203.0.113.0/25\nEvil.Example.\nhxxp://evil[.]example/x?y=1\n"+
		"D41D8CD98F00B204E9800998ECF8427E\nBad@Evil.example\n0.0.0.0 ads.example\n", Options{Confidence: 70}, "list",
		[]string{
			"ip:198.51.100.7 70", "network:203.0.113.0/25 70", "domain:evil.example 70", "url:http://evil.example/x?y=1 70",
			"hash:d41d8cd98f00b204e9800998ecf8427e 70", "mail:bad@evil.example 70", "domain:ads.example 70",
		}, none)
	f("what would hit one's own network", "10.1.2.3\n192.168.0.0/16\n127.0.0.1\n224.0.0.1\nfe80::1\n0.0.0.0/0\n2.0.0.0/7\nco.uk\ncom.example\n198.51.100.9/32\n", Options{}, "list",
		[]string{"domain:com.example 50", "ip:198.51.100.9 50"}, map[string]int{skipSpecial: 6, skipWide: 1, skipSuffix: 1})
	f("list of domains", "evil.example\nnot a domain at all\n", Options{Kind: "domain", Format: "list"}, "list",
		[]string{"domain:evil.example 50"}, map[string]int{skipNoForm: 1})
	f("assets", "\xef\xbb\xbfHost,IP,Criticality,Class,Owner,Exposure,Colour\nDC-01.corp.example;dc-01,10.20.1.1|10.20.1.2,crown,Domain_Controller,it,internal,red\n,,low,,,,\n", Options{}, "csv",
		[]string{"host:dc-01.corp.example hosts=[dc-01] ips=[10.20.1.1 10.20.1.2] crown domain_controller it internal"}, map[string]int{"column_not_used": 1, skipNoAsset: 1})
	f("assets by network", "network;criticality\n10.20.0.0/16;high\n", Options{}, "csv", []string{"network:10.20.0.0/16 hosts=[] ips=[] high   "}, none)
	f("identities", "user,mail,name,privileged,vip,service,key\nCORP\\Anna.Berg,anna.berg@corp.example,Anna Berg,yes,no,,AKIA0123456789ABCDEF\n", Options{}, "csv",
		[]string{"user:anna.berg [mail:anna.berg@corp.example key:AKIA0123456789ABCDEF] Anna Berg privileged=true vip=false service=false"}, none)
	f("stix", `{"type":"bundle","objects":[
		{"type":"malware","id":"malware--1"},
		{"type":"indicator","id":"i--1","confidence":85,"pattern":"[ipv4-addr:value = '198.51.100.1' OR domain-name:value IN ('a.example', 'b.example')] OR [file:hashes.'SHA-256' = 'AA39d1c1c9b6b1d2e4f3a5b6c7d8e9f00112233445566778899aabbccddeeff0']"},
		{"type":"indicator","id":"i--2","pattern":"[ipv4-addr:value = '198.51.100.1' AND domain-name:value = 'a.example']"},
		{"type":"indicator","id":"i--3","revoked":true,"pattern":"[ipv4-addr:value = '198.51.100.3']"},
		{"type":"indicator","id":"i--4","pattern":"[file:name = 'x' OR email-addr:value = 'x@evil.example']"}]}`, Options{}, "stix",
		[]string{
			"ip:198.51.100.1 85", "domain:a.example 85", "domain:b.example 85",
			"hash:aa39d1c1c9b6b1d2e4f3a5b6c7d8e9f00112233445566778899aabbccddeeff0 85", "mail:x@evil.example 50",
		}, map[string]int{skipType: 1, "no_indicator": 1, skipPattern: 1, skipRevoked: 1})
	f("kev as csv", "cveID,vendorProject,product,vulnerabilityName,dateAdded,knownRansomwareCampaignUse\nCVE-2021-44228,Apache,Log4j2,x,2021-12-10,Known\nnone,,,,,\n", Options{}, "kev",
		[]string{"CVE-2021-44228 ransomware=true"}, map[string]int{skipNoID: 1})
	f("nessus", `<?xml version="1.0"?><NessusClientData_v2><Report><ReportHost name="10.20.1.1"><HostProperties><tag name="HOST_END">Thu Nov 19 10:00:00 2026</tag><tag name="host-fqdn">DC-01.corp.example</tag></HostProperties>
		<ReportItem port="445" severity="4" pluginID="97833" pluginName="MS17-010"><cve>CVE-2017-0144</cve><cve>CVE-2017-0145</cve><cvss3_base_score>8.1</cvss3_base_score></ReportItem>
		<ReportItem port="0" severity="0" pluginID="19506" pluginName="Scan Information"/><ReportItem port="443" severity="2" pluginID="51192" pluginName="SSL"/></ReportHost></Report></NessusClientData_v2>`, Options{}, "nessus",
		[]string{
			"host:dc-01.corp.example CVE-2017-0144 severity=5 score=8.1 port 445", "host:dc-01.corp.example CVE-2017-0145 severity=5 score=8.1 port 445",
			"host:dc-01.corp.example nessus-51192 severity=3 score=0 port 443",
		}, map[string]int{"informational": 1})
}

func TestErrorsNameTheLine(t *testing.T) {
	t.Parallel()
	f := func(text string, opt Options, want string) {
		t.Helper()
		_, err := Read("x", strings.NewReader(text), opt)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v, want %q", text, err, want)
		}
	}
	f("host,criticality\na.example,high\nb.example,vital\n", Options{}, `line 3: criticality "vital"`)
	f("user,privileged\nanna,perhaps\n", Options{}, `line 2: privileged "perhaps"`)
	f("{\n\"type\": \"bundle\",\n\"objects\": [}\n", Options{Format: "stix"}, "line 3")
	f("{\"ArtifactName\": \"alpine:3.10\", \"ArtifactType\": \"container_image\"}", Options{}, "name the asset")
	f("198.51.100.1\n"+strings.Repeat("x", maxLine+1), Options{}, "line 2: longer than")
	f("198.51.100.1\n198.51.100.2\n", Options{MaxEntries: 1}, "line 2: too many entries")
	f(strings.Repeat("198.51.100.1\n", 100), Options{MaxBytes: 300}, "more than 300 bytes")
	f("\x00\x01\x02", Options{}, "cannot be told")
	f("198.51.100.1\n", Options{Format: "stixx"}, `no format "stixx"`)
	f("<NessusClientData_v2><!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><ReportHost name='&e;'>", Options{}, "line 1")
}

// TestRealFilesAreRead: the counts were looked up in the files once, by other means.
func TestRealFilesAreRead(t *testing.T) {
	t.Parallel()
	root := sharedata.Dir(t)
	f := func(name string, opt Options, format string, items, skipped int) {
		t.Helper()
		file, err := os.Open(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		res, err := Read(name, file, opt)
		if err != nil {
			t.Error(err)
			return
		}
		n := 0
		for _, c := range res.Skipped {
			n += c
		}
		if res.Format != format || len(res.Items) != items || n != skipped {
			t.Errorf("%s: %s, %d items, skipped %v, want %s, %d and %d\n%s", name, res.Format, len(res.Items), res.Skipped, format, items, skipped, strings.Join(res.Notes, "\n"))
		}
	}
	web := Options{Asset: "web-01.corp.example"}
	f("threat_intel/csv/ipsum-level5.txt", Options{}, "list", 1413, 0)
	f("threat_intel/kev.json", Options{}, "kev", 1404, 0)
	f("threat_intel/misp/misp_event.json", Options{}, "misp", 0, 2)
	f("threat_intel/misp/existing_event.json", Options{}, "misp", 68, 54)
	f("threat_intel/misp/long_event.json", Options{}, "misp", 239, 131)
	f("threat_intel/stix/apt1.json", Options{}, "stix", 10, 66)
	f("threat_intel/stix/poisonivy.json", Options{}, "stix", 64, 133)
	f("threat_intel/stix/indicator-for-c2-ip-address.json", Options{}, "stix", 0, 1)
	f("threat_intel/stix/malicious-email-indicator-with-attachment.json", Options{}, "stix", 0, 6)
	f("vuln/trivy-alpine-310.json", web, "trivy", 4, 0)
	f("vuln/trivy-debian-buster.json", web, "trivy", 2, 0)
	f("vuln/dd-trivy-scheme_2_many_vulns.json", web, "trivy", 5, 0)
	f("vuln/dd-anchore_grype-many_vulns4.json", web, "grype", 9, 0)
	f("vuln/dd-tenable-nessus_many_vuln.csv", Options{}, "nessus", 5, 0)
	f("vuln/dd-tenable-nessus_was_many_vuln.xml", Options{}, "nessus", 4, 1)
}
