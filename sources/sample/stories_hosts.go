package sample

import (
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// commandServers are the addresses that the beacons call. They are among the indicators of
// [Context].
var commandServers = []string{
	"203.0.113.17", "203.0.113.42", "203.0.113.66", "203.0.113.91", "203.0.113.118", "203.0.113.140", "203.0.113.173", "203.0.113.209",
}

var storyBeacon = Story{
	Name:  "malware_beacon",
	Title: "Malware calls a known-bad address",
	Text: "A document starts an encoded PowerShell command, which then calls a server on the list of bad addresses every " +
		"few seconds. The network sensors see the calls, the intrusion detection names them.",
	Sources:    []string{sourceWindows, sourceZeek, sourceSuricata},
	Detections: []string{"office_starts_shell", "encoded_powershell", "known_bad_address", "ids_command_and_control"},
	Incidents: []Incident{{
		Entity: "ip", Detections: []string{"known_bad_address"}, Responses: []string{"ip.block"},
	}},
	write: tellBeacon,
}

const (
	powershell = `C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe`
	winword    = `C:\Program Files\Microsoft Office\root\Office16\WINWORD.EXE`
)

func tellBeacon(s *script, n int) {
	u := s.victim(n, 101)
	server := commandServers[n%len(commandServers)]
	s.subject(pipeline.EntityIP, server, "dst")
	s.subject(pipeline.EntityIP, u.host.ip, "src")
	s.subject(pipeline.EntityHost, u.host.fqdn, "device")
	s.subject(pipeline.EntityUser, u.name, "user")
	s.sysmonProcess(s.at, u.host, &process{
		image: powershell, original: "PowerShell.EXE", parent: winword, parentCmd: `"WINWORD.EXE" /n "invoice.docm"`,
		cmd:  `powershell.exe -w hidden -enc UwBhAG0AcABsAGUALgAgAE4AbwB0AGgAaQBuAGcAIAB0AG8AIABzAGUAZQAgAGgAZQByAGUALgA=`,
		user: u.name, sid: u.sid,
	})
	s.happened(2 * time.Second)
	for i := range 12 {
		s.wait(3*time.Second, 4*time.Second)
		f := s.flow(u.host.ip, server, 443, "tcp", "ssl")
		f.out, f.in = int64(s.r.between(310, 330)), int64(s.r.between(150, 170))
		s.zeekConn(s.at, &f)
		s.happened(time.Second)
		s.zeekSSL(s.at, &f, "update.sample-cdn.example", "self signed certificate")
		s.happened(time.Second)
		if i%4 == 0 {
			s.sysmonConnect(s.at, u.host, powershell, u.name, server, 443)
			s.happened(2 * time.Second)
		}
		if i%3 == 1 {
			s.suricataAlert(s.at, &f, sigBeacon)
			s.happened(time.Second)
		}
	}
}

var storyLateral = Story{
	Name:  "lateral_movement",
	Title: "Lateral movement with a cleared log",
	Text: "From one workstation, an administrator's account logs on to three servers over the network, mounts their " +
		"administrative share, installs a service that runs a command, reads the credentials of the last server from memory and " +
		"clears its security log.",
	Sources: []string{sourceWindows, sourceZeek},
	Detections: []string{
		"ntlm_logon_to_server", "admin_share_mounted", "suspicious_service_installed", "credential_tool_started",
		"lsass_memory_read", "event_log_cleared",
	},
	Incidents: []Incident{{
		Entity: "host", Detections: []string{"suspicious_service_installed", "event_log_cleared"}, Responses: []string{"ticket.open", "page.send", "endpoint.isolate"},
	}},
	write: tellLateral,
}

func tellLateral(s *script, n int) {
	admin := s.victim(n, 203)
	from := s.victim(n, 207).host
	s.subject(pipeline.EntityUser, admin.name, "user")
	s.subject(pipeline.EntityIP, from.ip, "src")
	var h *host
	for i := range 3 {
		h = s.org.servers[(n*3+i)%(len(s.org.servers)-1)]
		s.subject(pipeline.EntityHost, h.fqdn, "device")
		s.hop(from, h, admin)
	}
	s.sysmonProcess(s.at, h, &process{
		image: `C:\Users\Public\procdump64.exe`, cmd: `procdump64.exe -accepteula -ma lsass.exe C:\Users\Public\out.dmp`,
		original: "procdump", parent: `C:\Windows\System32\cmd.exe`, parentCmd: "cmd.exe /Q /c", user: admin.name, sid: admin.sid,
	})
	s.happened(2 * time.Second)
	s.wait(time.Second, 2*time.Second)
	s.sysmonAccess(s.at, h, `C:\Users\Public\procdump64.exe`, `C:\Windows\System32\lsass.exe`, "0x1fffff")
	s.happened(2 * time.Second)
	s.wait(5*time.Second, 9*time.Second)
	s.windowsCleared(s.at, h, admin.name, admin.sid)
	s.happened(2 * time.Second)
}

// hop moves from one machine to the next.
func (s *script) hop(from, to *host, admin *user) {
	f := s.flow(from.ip, to.ip, 445, "tcp", "smb")
	s.zeekSMB(s.at, &f, `\\`+to.ip+`\ADMIN$`)
	s.happened(time.Second)
	s.windowsLogon(s.at, to, logon{user: admin.name, sid: admin.sid, kind: 3, pkg: "NTLM", from: from.ip, machine: from.name})
	s.happened(2 * time.Second)
	s.wait(time.Second, 3*time.Second)
	s.windowsService(s.at, to, string(s.r.appendID(nil, "ABCDEFGHIJKLMNOPQRSTUVWXYZ", 8)),
		`%COMSPEC% /Q /c echo whoami ^> \\127.0.0.1\C$\__out 2^>^&1 > %TEMP%\execute.bat & %COMSPEC% /Q /c %TEMP%\execute.bat`)
	s.happened(2 * time.Second)
	s.wait(time.Second, 2*time.Second)
	s.windowsProcess(s.at, to, &process{
		image: `C:\Windows\System32\cmd.exe`, cmd: `cmd.exe /Q /c whoami /all`,
		parent: `C:\Windows\System32\services.exe`, user: admin.name, sid: admin.sid,
	})
	s.happened(2 * time.Second)
	s.wait(4*time.Second, 9*time.Second)
}

var storyTunnel = Story{
	Name:  "dns_exfiltration",
	Title: "Data leaves over DNS",
	Text: "A workstation asks for dozens of TXT records whose names are pieces of a file, all under one domain. Both " +
		"network sensors see the questions.",
	Sources:    []string{sourceZeek, sourceSuricata},
	Detections: []string{"dns_tunnel"},
	Incidents: []Incident{{
		Entity: "ip", Detections: []string{"dns_tunnel"}, Responses: []string{"ticket.open", "domain.block"},
	}},
	write: tellTunnel,
}

func tellTunnel(s *script, n int) {
	h := s.victim(n, 301).host
	s.subject(pipeline.EntityIP, h.ip, "src")
	apex := ".t" + string(s.r.appendID(nil, base32Low, 4)) + ".sync-metrics.example"
	for i := range 60 {
		name := s.r.appendID(nil, base32Low, 56)
		name = append(name, '.')
		name = append(s.r.appendID(name, base32Low, 40), apex...)
		f := s.flow(h.ip, resolver, 53, "udp", "dns")
		if i%3 == 2 {
			s.suricataDNS(s.at, &f, string(name), "TXT")
		} else {
			s.zeekDNS(s.at, &f, string(name), "TXT", "v=1 ok")
		}
		s.happened(time.Second)
		if i%20 == 19 {
			s.suricataAlert(s.at, &f, sigTunnel)
			s.happened(time.Second)
		}
		s.wait(300*time.Millisecond, 900*time.Millisecond)
	}
}
