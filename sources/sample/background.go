package sample

import (
	"strings"
	"time"
)

// share is one kind of everyday record and how often it occurs.
type share struct {
	weight int
	delay  time.Duration // longest time from the event to its arrival
	people bool          // follows office hours; machines work around the clock
	write  func(p *pen, at time.Time)
}

// everyday is the mix of the background. The weights by source are about 36 % Windows,
// 32 % Zeek, 14 % Suricata, 11 % CloudTrail and 7 % Okta at the busiest hour.
var everyday = []share{
	{90, 2 * time.Second, true, (*pen).everydayProcess},
	{60, 2 * time.Second, false, (*pen).everydaySysmonConnect},
	{110, 2 * time.Second, true, (*pen).everydayLogon},
	{90, 2 * time.Second, false, (*pen).everydayServiceLogon},
	{4, 2 * time.Second, true, (*pen).everydayMistake},
	{120, time.Second, true, (*pen).everydayDNS},
	{110, time.Second, false, (*pen).everydayConn},
	{60, time.Second, true, (*pen).everydayTLS},
	{15, time.Second, false, (*pen).everydayShare},
	{15, time.Second, false, (*pen).everydayTicket},
	{70, time.Second, true, (*pen).everydaySuricataTLS},
	{40, time.Second, false, (*pen).everydaySuricataFlow},
	{25, time.Second, true, (*pen).everydaySuricataHTTP},
	{5, time.Second, false, (*pen).everydayNoise},
	{95, 20 * time.Second, false, (*pen).everydayCloudMachine},
	{15, 20 * time.Second, true, (*pen).everydayCloudPerson},
	{66, 4 * time.Second, true, (*pen).everydayOkta},
	{4, 4 * time.Second, true, (*pen).everydayOktaMistake},
}

// officeHours is how busy people are by the hour (UTC), in percent of the busiest one.
var officeHours = [24]int{4, 3, 3, 3, 4, 10, 30, 70, 95, 100, 98, 90, 65, 80, 97, 95, 85, 55, 30, 18, 12, 9, 7, 5}

// weekend is what is left of the people on Saturdays and Sundays, in percent.
const weekend = 15

// peopleAt returns how busy people are at t, in [0, 1], without steps at the full hour.
func peopleAt(t time.Time) float64 {
	h, m := t.Hour(), t.Minute()
	v := (float64(officeHours[h])*float64(60-m) + float64(officeHours[(h+1)%24])*float64(m)) / 6000
	if d := t.Weekday(); d == time.Saturday || d == time.Sunday {
		v = v * weekend / 100
	}
	return v
}

// mix is the background of one minute: cumulative weights, and how busy it is in all.
type mix struct {
	upTo  [32]int // upTo[i] is the sum of the weights of everyday[:i+1]
	total int
	busy  float64 // share of the busiest hour's rate, in (0, 1]
}

// mixAt returns the mix of the minute of t.
func mixAt(t time.Time) mix {
	people := peopleAt(t)
	m, most := mix{}, 0
	for i, s := range everyday {
		w := 100 * s.weight
		most += w
		if s.people {
			w = int(float64(w) * people)
		}
		m.total += w
		m.upTo[i] = m.total
	}
	m.busy = float64(m.total) / float64(most)
	return m
}

func (m *mix) pick(r *source) *share {
	n := r.IntN(m.total)
	for i := range everyday {
		if n < m.upTo[i] {
			return &everyday[i]
		}
	}
	panic("BUG: weights do not add up")
}

// programs are what people and their machines start all day.
var programs = []process{
	{image: `C:\Program Files\Google\Chrome\Application\chrome.exe`, cmd: `"C:\Program Files\Google\Chrome\Application\chrome.exe" --type=renderer`, original: "chrome.exe"},
	{image: `C:\Program Files\Microsoft Office\root\Office16\OUTLOOK.EXE`, cmd: `"C:\Program Files\Microsoft Office\root\Office16\OUTLOOK.EXE"`, original: "Outlook.exe"},
	{image: `C:\Program Files\Microsoft Office\root\Office16\WINWORD.EXE`, cmd: `"WINWORD.EXE" /n "C:\Users\Public\Documents\minutes.docx"`, original: "WinWord.exe"},
	{image: `C:\Windows\System32\notepad.exe`, cmd: `"C:\Windows\system32\notepad.exe"`, original: "NOTEPAD.EXE"},
	{image: `C:\Windows\System32\cmd.exe`, cmd: `C:\Windows\system32\cmd.exe /c "C:\Tools\inventory.bat"`, original: "Cmd.Exe"},
	{image: `C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe`, cmd: `powershell.exe -NoProfile -File C:\Tools\report.ps1`, original: "PowerShell.EXE"},
	{image: `C:\Windows\System32\conhost.exe`, cmd: `\??\C:\Windows\system32\conhost.exe 0xffffffff -ForceV1`, original: "CONHOST.EXE"},
	{image: `C:\Windows\System32\taskhostw.exe`, cmd: `taskhostw.exe`, original: "taskhostw.exe"},
}

const explorer = `C:\Windows\explorer.exe`

func (p *pen) person() *user { return &p.org.users[p.r.IntN(len(p.org.users))] }

func (p *pen) everydayProcess(at time.Time) {
	u := p.person()
	c := programs[p.r.IntN(len(programs))]
	c.parent, c.parentCmd, c.user, c.sid = explorer, explorer, u.name, u.sid
	if p.r.chance(1, 2) {
		p.sysmonProcess(at, u.host, &c)
		return
	}
	p.windowsProcess(at, u.host, &c)
}

func (p *pen) everydaySysmonConnect(at time.Time) {
	u := p.person()
	p.sysmonConnect(at, u.host, programs[0].image, u.name, proxyIP, 3128)
}

func (p *pen) everydayLogon(at time.Time) {
	u := p.person()
	l := logon{user: u.name, sid: u.sid, kind: 3, pkg: "Kerberos", from: u.host.ip, machine: "-"}
	if p.r.chance(1, 5) {
		l.kind, l.from, l.machine = 2, "127.0.0.1", u.host.name
		p.windowsLogon(at, u.host, l)
		return
	}
	p.windowsLogon(at, pick(p.r, p.org.servers), l)
}

func (p *pen) everydayServiceLogon(at time.Time) {
	h := pick(p.r, p.org.hosts)
	p.windowsLogon(at, p.org.servers[p.r.IntN(2)], logon{user: h.name + "$", sid: "S-1-5-18", kind: 3, pkg: "Kerberos", from: h.ip, machine: "-"})
}

// everydayMistake is somebody's mistyped password.
func (p *pen) everydayMistake(at time.Time) {
	u := p.person()
	p.windowsLogonFailed(at, u.host, logon{user: u.name, sid: "S-1-0-0", kind: 2, pkg: "Negotiate", from: "127.0.0.1", machine: u.host.name})
}

func (p *pen) everydayDNS(at time.Time) {
	f := p.flow(p.person().host.ip, resolver, 53, "udp", "dns")
	if name := pick(p.r, sites); p.r.chance(1, 4) {
		p.suricataDNS(at, &f, name, "A")
	} else {
		p.zeekDNS(at, &f, name, "A", outside(p.r))
	}
}

func (p *pen) everydayConn(at time.Time) {
	f := p.flow(pick(p.r, p.org.hosts).ip, outside(p.r), 443, "tcp", "ssl")
	p.zeekConn(at, &f)
}

func (p *pen) everydayTLS(at time.Time) {
	f := p.flow(p.person().host.ip, outside(p.r), 443, "tcp", "ssl")
	if p.r.chance(1, 10) {
		f.dport, f.service = 80, "http"
		p.zeekHTTP(at, &f, pick(p.r, sites), "/")
		return
	}
	p.zeekSSL(at, &f, pick(p.r, sites), "ok")
}

func (p *pen) everydayShare(at time.Time) {
	h := pick(p.r, p.org.servers)
	f := p.flow(p.person().host.ip, h.ip, 445, "tcp", "smb")
	p.zeekSMB(at, &f, `\\`+strings.ToLower(h.name)+`\projects`)
}

func (p *pen) everydayTicket(at time.Time) {
	f := p.flow(p.person().host.ip, p.org.servers[0].ip, 88, "tcp", "krb_tcp")
	p.zeekKerberos(at, &f, p.person().name, "cifs/"+strings.ToLower(pick(p.r, p.org.servers).fqdn))
}

func (p *pen) everydaySuricataTLS(at time.Time) {
	f := p.flow(p.person().host.ip, outside(p.r), 443, "tcp", "ssl")
	p.suricataTLS(at, &f, pick(p.r, sites))
}

func (p *pen) everydaySuricataFlow(at time.Time) {
	f := p.flow(pick(p.r, p.org.hosts).ip, outside(p.r), 443, "tcp", "ssl")
	p.suricataFlow(at, &f)
}

func (p *pen) everydaySuricataHTTP(at time.Time) {
	f := p.flow(p.person().host.ip, outside(p.r), 80, "tcp", "http")
	p.suricataHTTP(at, &f, pick(p.r, sites), "/index.html")
}

func (p *pen) everydayNoise(at time.Time) {
	f := p.flow(pick(p.r, p.org.hosts).ip, outside(p.r), 80, "tcp", "http")
	p.suricataAlert(at, &f, pick(p.r, noise))
}

func (p *pen) everydayCloudMachine(at time.Time) {
	u := &p.org.cloud[p.r.IntN(len(p.org.cloud))]
	p.cloudKey(at, u, pick(p.r, exits), pick(p.r, routine))
}

func (p *pen) everydayCloudPerson(at time.Time) {
	p.cloudRole(at, p.person(), pick(p.r, exits), pick(p.r, routine))
}

func (p *pen) everydayOkta(at time.Time) {
	u := p.person()
	e := pick(p.r, oktaDay)
	if e.kind == oktaSSO.kind {
		e.app = pick(p.r, apps)
	}
	p.okta(at, e, u, pick(p.r, exits), home)
}

// mistakes is the least time between two passwords mistyped at the identity provider. The
// organisation has as many people at any rate of records, and few exits: more of it would
// look like password spraying from one of them.
const mistakes = time.Minute

func (p *pen) everydayOktaMistake(at time.Time) {
	if at.Sub(p.mistake) < mistakes {
		p.everydayOkta(at)
		return
	}
	p.mistake = at
	p.okta(at, oktaFailure, p.person(), pick(p.r, exits), home)
}
