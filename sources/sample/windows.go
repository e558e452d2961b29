package sample

import "time"

// winLog is a channel and the provider that writes to it.
type winLog struct{ channel, provider, guid string }

var (
	logSecurity = winLog{"Security", "Microsoft-Windows-Security-Auditing", "54849625-5478-4994-A5BA-3E3B0328C30D"}
	logSysmon   = winLog{"Microsoft-Windows-Sysmon/Operational", "Microsoft-Windows-Sysmon", "5770385F-C22A-43E0-BF4C-06F5698FFBD9"}
	logSystem   = winLog{"System", "Service Control Manager", "555908D1-A6D7-4695-8E1E-26931D2012F4"}
	logCleared  = winLog{"Security", "Microsoft-Windows-Eventlog", "FC65DDD8-D6EF-4962-83D5-6E5CFE9CE148"}
)

// windows begins an event of host h; the caller adds the event's own members and calls
// windowsEnd. Machines that are nested send the document form of the event, Event.System
// and Event.EventData; the others send the flat form of a log shipper.
func (p *pen) windows(at time.Time, h *host, l *winLog, id int64) {
	p.start(sourceWindows, h.fqdn)
	h.record++
	if h.nested {
		p.windowsNested(at, h, l, id)
		return
	}
	p.num("EventID", id)
	p.str("Channel", l.channel)
	p.str("SourceName", l.provider)
	p.str("ProviderGuid", "{", l.guid, "}")
	p.time("EventTime", at, winTime)
	p.time("EventReceivedTime", at, winTime)
	p.time("@timestamp", at, isoMillis)
	p.num("RecordNumber", h.record)
	p.str("Hostname", h.fqdn)
	p.str("host", "collector."+domain)
	p.str("Severity", "INFO")
	p.num("SeverityValue", 2)
	p.num("ExecutionProcessID", int64(p.r.between(4, 9000)))
	p.str("Opcode", "Info")
	p.str("SourceModuleName", "eventlog")
	p.str("SourceModuleType", "im_msvistalog")
}

func (p *pen) windowsNested(at time.Time, h *host, l *winLog, id int64) {
	p.begin("Event")
	p.begin("System")
	p.begin("Provider")
	p.begin("#attributes")
	p.str("Name", l.provider)
	p.str("Guid", l.guid)
	p.end()
	p.end()
	p.num("EventID", id)
	p.num("Version", 2)
	p.num("Level", 4)
	p.begin("TimeCreated")
	p.begin("#attributes")
	p.time("SystemTime", at, isoMicros)
	p.end()
	p.end()
	p.num("EventRecordID", h.record)
	p.str("Channel", l.channel)
	p.str("Computer", h.fqdn)
	p.end()
	if *l == logCleared {
		p.begin("UserData")
		p.begin("LogFileCleared")
		return
	}
	p.begin("EventData")
}

func (p *pen) windowsEnd(h *host, l *winLog) {
	if h.nested {
		if *l == logCleared {
			p.end()
		}
		p.end()
		p.end()
	}
	p.end()
}

// logon is a logon as the machine that was logged on to tells it.
type logon struct {
	user, sid string
	kind      int64 // Windows logon type: 2 at the console, 3 over the network, 10 remote desktop
	pkg       string
	from      string // address; "-" if local
	machine   string // name that the other side gave itself
}

func (p *pen) windowsLogon(at time.Time, h *host, l logon) {
	p.windows(at, h, &logSecurity, 4624)
	p.str("SubjectUserSid", "S-1-0-0")
	p.str("SubjectUserName", "-")
	p.str("SubjectDomainName", "-")
	p.str("SubjectLogonId", "0x0")
	p.windowsTarget(l)
	p.id("TargetLogonId", "0x", p.r, hexDigits, 7)
	p.str("LogonProcessName", logonProcess(l.pkg))
	p.str("AuthenticationPackageName", l.pkg)
	p.windowsOrigin(l)
	p.str("ElevatedToken", "%%1843")
	p.windowsEnd(h, &logSecurity)
}

func (p *pen) windowsLogonFailed(at time.Time, h *host, l logon) {
	p.windows(at, h, &logSecurity, 4625)
	p.str("SubjectUserSid", "S-1-0-0")
	p.str("SubjectUserName", "-")
	p.str("SubjectDomainName", "-")
	p.str("SubjectLogonId", "0x0")
	p.windowsTarget(l)
	p.str("Status", "0xc000006d")
	p.str("SubStatus", "0xc000006a")
	p.str("FailureReason", "%%2313")
	p.str("LogonProcessName", logonProcess(l.pkg))
	p.str("AuthenticationPackageName", l.pkg)
	p.windowsOrigin(l)
	p.windowsEnd(h, &logSecurity)
}

func (p *pen) windowsTarget(l logon) {
	p.str("TargetUserSid", l.sid)
	p.str("TargetUserName", l.user)
	p.str("TargetDomainName", netbios)
	p.numStr("LogonType", l.kind)
}

func (p *pen) windowsOrigin(l logon) {
	p.str("WorkstationName", l.machine)
	p.str("IpAddress", l.from)
	p.numStr("IpPort", int64(p.r.between(49152, 65535)))
	p.str("ProcessId", "0x0")
	p.str("ProcessName", "-")
}

func logonProcess(pkg string) string {
	if pkg == "Kerberos" {
		return "Kerberos"
	}
	return "NtLmSsp "
}

// process is a process that was started.
type process struct {
	image, cmd          string
	parent, parentCmd   string
	user, sid, original string // original: name in the file's version resource
}

// windowsProcess writes the Security form of a process start.
func (p *pen) windowsProcess(at time.Time, h *host, c *process) {
	p.windows(at, h, &logSecurity, 4688)
	p.str("SubjectUserSid", c.sid)
	p.str("SubjectUserName", c.user)
	p.str("SubjectDomainName", netbios)
	p.id("SubjectLogonId", "0x", p.r, hexDigits, 6)
	p.id("NewProcessId", "0x", p.r, hexDigits, 4)
	p.str("NewProcessName", c.image)
	p.str("TokenElevationType", "%%1938")
	p.id("ProcessId", "0x", p.r, hexDigits, 3)
	p.str("CommandLine", c.cmd)
	p.str("ParentProcessName", c.parent)
	p.str("MandatoryLabel", "S-1-16-8192")
	p.windowsEnd(h, &logSecurity)
}

// sysmonProcess writes the Sysmon form of a process start.
func (p *pen) sysmonProcess(at time.Time, h *host, c *process) {
	p.windows(at, h, &logSysmon, 1)
	p.str("RuleName", "-")
	p.time("UtcTime", at, winUTC)
	p.guid("ProcessGuid")
	p.num("ProcessId", int64(p.r.between(400, 30000)))
	p.str("Image", c.image)
	p.str("OriginalFileName", c.original)
	p.str("CommandLine", c.cmd)
	p.str("CurrentDirectory", `C:\Windows\system32\`)
	p.str("User", netbios, `\`, c.user)
	p.str("IntegrityLevel", "Medium")
	p.key("Hashes")
	p.b = append(p.b, `"SHA256=`...)
	p.b = p.r.appendID(p.b, "0123456789ABCDEF", 64)
	p.b = append(p.b, '"')
	p.guid("ParentProcessGuid")
	p.num("ParentProcessId", int64(p.r.between(400, 30000)))
	p.str("ParentImage", c.parent)
	p.str("ParentCommandLine", c.parentCmd)
	p.windowsEnd(h, &logSysmon)
}

func (p *pen) guid(name string) {
	p.key(name)
	p.b = append(p.b, '"', '{')
	p.b = p.r.appendUUID(p.b)
	p.b = append(p.b, '}', '"')
}

func (p *pen) sysmonConnect(at time.Time, h *host, image, account, dst string, dport int) {
	p.windows(at, h, &logSysmon, 3)
	p.str("RuleName", "-")
	p.time("UtcTime", at, winUTC)
	p.guid("ProcessGuid")
	p.num("ProcessId", int64(p.r.between(400, 30000)))
	p.str("Image", image)
	p.str("User", netbios, `\`, account)
	p.str("Protocol", "tcp")
	p.str("Initiated", "true")
	p.str("SourceIp", h.ip)
	p.str("SourceHostname", h.fqdn)
	p.numStr("SourcePort", int64(p.r.between(49152, 65535)))
	p.str("DestinationIp", dst)
	p.str("DestinationHostname", "-")
	p.numStr("DestinationPort", int64(dport))
	p.windowsEnd(h, &logSysmon)
}

// sysmonAccess writes that one process opened another.
func (p *pen) sysmonAccess(at time.Time, h *host, image, target, access string) {
	p.windows(at, h, &logSysmon, 10)
	p.str("RuleName", "-")
	p.time("UtcTime", at, winUTC)
	p.guid("SourceProcessGUID")
	p.numStr("SourceProcessId", int64(p.r.between(400, 30000)))
	p.str("SourceImage", image)
	p.guid("TargetProcessGUID")
	p.numStr("TargetProcessId", int64(p.r.between(400, 30000)))
	p.str("TargetImage", target)
	p.str("GrantedAccess", access)
	p.str("CallTrace", `C:\Windows\SYSTEM32\ntdll.dll+9d4c4|C:\Windows\System32\KERNELBASE.dll+2c13e`)
	p.windowsEnd(h, &logSysmon)
}

func (p *pen) windowsService(at time.Time, h *host, name, image string) {
	p.windows(at, h, &logSystem, 7045)
	p.str("ServiceName", name)
	p.str("ImagePath", image)
	p.str("ServiceType", "user mode service")
	p.str("StartType", "demand start")
	p.str("AccountName", "LocalSystem")
	p.windowsEnd(h, &logSystem)
}

func (p *pen) windowsCleared(at time.Time, h *host, account, sid string) {
	p.windows(at, h, &logCleared, 1102)
	p.str("SubjectUserSid", sid)
	p.str("SubjectUserName", account)
	p.str("SubjectDomainName", netbios)
	p.id("SubjectLogonId", "0x", p.r, hexDigits, 6)
	p.windowsEnd(h, &logCleared)
}
