package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// The parts that events are made of. Policies use some of them.
var (
	procs    = words("svchost explorer chrome outlook teams code powershell cmd wmic rundll32 regsvr32 certutil bitsadmin mshta psexec mimikatz procdump schtasks net whoami nltest vssadmin wevtutil curl wget ssh python java node bash sudo crontab")
	domains  = words("example.com corp.local cdn.net update.org mail.io evil.top bad.ru phish.xyz login.co files.dev")
	tokens   = words("-enc downloadstring sekurlsa lsass /transfer delete shadows bypass hidden invoke iex frombase64 reflective beacon amsi")
	subjects = words("invoice payment urgent hello report meeting password reset parcel update")
)

const (
	hosts = 500
	users = 300
)

func words(s string) []string { return strings.Fields(s) }

// classes are the OCSF classes of the events: process, network, authentication,
// DNS, mail, finding.
var classes = []int{1007, 4001, 3002, 4003, 4009, 2004}

// events returns n JSON events of about 1.3 kB, the same for the same seed.
func events(n int, seed uint64) [][]byte {
	r := rand.New(rand.NewPCG(seed, 7))
	host := rand.NewZipf(r, 1.2, 1, hosts-1)
	user := rand.NewZipf(r, 1.3, 1, users-1)
	proc := rand.NewZipf(r, 1.1, 1, uint64(len(procs)-1))
	out := make([][]byte, n)
	for i := range out {
		out[i] = event(r, i, int(host.Uint64()), int(user.Uint64()), procs[proc.Uint64()])
	}
	return out
}

func event(r *rand.Rand, i, host, user int, proc string) []byte {
	class := classes[r.IntN(len(classes))]
	var b strings.Builder
	fmt.Fprintf(&b, `{"class_uid":%d,"category_uid":%d,"activity_id":%d,"severity_id":%d,"time":%d,"type_uid":%d,`,
		class, class/1000, 1+r.IntN(6), 1+r.IntN(6), 1760000000000+int64(i)*137, class*100+1+r.IntN(6))
	fmt.Fprintf(&b, `"metadata":{"version":"1.7.0","uid":"%016x","product":{"name":"Sensor","vendor_name":"Acme","version":"7.%d"},"profiles":["host","security_control"],"log_name":"raw"},`,
		r.Uint64(), r.IntN(9))
	fmt.Fprintf(&b, `"device":{"hostname":"host-%d","ip":"%s","uid":"d-%05d","os":{"name":"Windows 11","type_id":100,"build":"22631"},"groups":["g%d","workstations"],"is_managed":%t},`,
		host, address(r), host, r.IntN(9), r.IntN(5) > 0)
	fmt.Fprintf(&b, `"actor":{"user":{"name":"user-%d","uid":"S-1-5-21-%d","domain":"CORP","type_id":%d},"session":{"uid":"%x","is_remote":%t},"process":{"name":"%s.exe","pid":%d}},`,
		user, 1000+user, r.IntN(3), r.Uint32(), r.IntN(4) == 0, procs[r.IntN(len(procs))], r.IntN(60000))
	fmt.Fprintf(&b, `"process":{"name":"%s.exe","pid":%d,"cmd_line":%q,"file":{"name":"%s.exe","path":"C:\\Windows\\System32\\%s.exe","size":%d,"hashes":[{"algorithm":"SHA-256","value":"%s"}]},"parent_process":{"name":"%s.exe","pid":%d}},`,
		proc, r.IntN(60000), cmdLine(r, i, proc), proc, proc, r.IntN(9000000), hash(r.IntN(20000)), procs[r.IntN(len(procs))], r.IntN(60000))
	fmt.Fprintf(&b, `"src_endpoint":{"ip":"%s","port":%d,"hostname":"host-%d"},"dst_endpoint":{"ip":"%s","port":%d,"domain":"%s.%s"},`,
		address(r), 1024+r.IntN(60000), host, address(r), ports[r.IntN(len(ports))], procs[r.IntN(len(procs))], domains[r.IntN(len(domains))])
	fmt.Fprintf(&b, `"traffic":{"bytes_in":%d,"bytes_out":%d,"packets":%d},"event_code":"E%d","status_id":%d,"auth_protocol":"%s","logon_type":%d,"mfa":%t,"failures":%d,`,
		r.IntN(1e6), r.IntN(1e8), r.IntN(9999), r.IntN(400), 1+r.IntN(2), []string{"kerberos", "ntlm", "saml"}[r.IntN(3)], 2+r.IntN(9), r.IntN(2) == 0, r.IntN(20))
	fmt.Fprintf(&b, `"query":{"hostname":"%s.%s","type":"A"},"email":{"from":"u%d@%s","subject":"%s %s","urls":["https://%s/a"],"attachments":%d},"score":%d}`,
		procs[r.IntN(len(procs))], domains[r.IntN(len(domains))], r.IntN(99), domains[r.IntN(len(domains))],
		subjects[r.IntN(len(subjects))], subjects[r.IntN(len(subjects))], domains[r.IntN(len(domains))], r.IntN(3), r.IntN(100))
	return []byte(b.String())
}

var ports = []int{22, 25, 53, 80, 123, 135, 389, 443, 445, 1433, 3306, 3389, 4444, 5985, 8080, 8443}

func address(r *rand.Rand) string {
	if r.IntN(3) > 0 {
		return fmt.Sprintf("10.%d.%d.%d", r.IntN(40), r.IntN(256), r.IntN(256))
	}
	return fmt.Sprintf("%d.%d.%d.%d", 11+r.IntN(200), r.IntN(256), r.IntN(256), r.IntN(256))
}

func hash(n int) string { return fmt.Sprintf("%064x", n*2654435761) }

// cmdLine is unique in 30 of 100 events.
func cmdLine(r *rand.Rand, i int, proc string) string {
	s := `C:\Windows\System32\` + proc + ".exe /c start"
	if r.IntN(12) == 0 {
		s += " " + tokens[r.IntN(len(tokens))]
	}
	if r.IntN(10) < 3 {
		return fmt.Sprintf("%s --id %d-%x", s, i, r.Uint64())
	}
	return fmt.Sprintf("%s --mode %d", s, r.IntN(20))
}
