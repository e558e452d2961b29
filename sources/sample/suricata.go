package sample

import (
	"strings"
	"time"
)

// signature is an IDS rule. The numbers are from the range that is free for local rules.
type signature struct {
	id       int64
	name     string
	category string
	severity int64 // 1 is worst
}

// noise are the signatures that go off all day and mean nothing.
var noise = []signature{
	{1000101, "SAMPLE POLICY Software update check over HTTP", "Potential Corporate Privacy Violation", 3},
	{1000102, "SAMPLE INFO Session traversal utilities binding request", "Misc activity", 3},
	{1000103, "SAMPLE INFO Observed remote desktop cookie", "Misc activity", 3},
	{1000104, "SAMPLE SCAN Unusual number of connection attempts from outside", "Attempted Information Leak", 2},
}

var sigBeacon = signature{1000201, "SAMPLE MALWARE Observed check-in to a known command server", "Malware Command and Control Activity Detected", 1}

var sigTunnel = signature{1000202, "SAMPLE DNS Possible tunnel, long TXT queries to one domain", "Potentially Bad Traffic", 2}

func (p *pen) suricata(at time.Time, kind string, f *flow) {
	p.start(sourceSuricata, f.src)
	p.time("timestamp", at, suricataTime)
	p.num("flow_id", f.flowID)
	p.str("in_iface", "bond0")
	p.str("event_type", kind)
	p.str("src_ip", f.src)
	p.num("src_port", int64(f.sport))
	p.str("dest_ip", f.dst)
	p.num("dest_port", int64(f.dport))
	p.str("proto", upperProto(f.proto))
}

func upperProto(proto string) string {
	if proto == "udp" {
		return "UDP"
	}
	return "TCP"
}

func (p *pen) suricataAlert(at time.Time, f *flow, s signature) {
	p.suricata(at, "alert", f)
	p.begin("alert")
	p.str("action", "allowed")
	p.num("gid", 1)
	p.num("signature_id", s.id)
	p.num("rev", 3)
	p.str("signature", s.name)
	p.str("category", s.category)
	p.num("severity", s.severity)
	p.end()
	if f.service != "" {
		p.str("app_proto", appProto(f.service))
	}
	p.begin("flow")
	p.num("pkts_toserver", 1+f.out/700)
	p.num("pkts_toclient", 1+f.in/1200)
	p.num("bytes_toserver", f.out)
	p.num("bytes_toclient", f.in)
	p.time("start", at.Add(-f.took), suricataTime)
	p.end()
	p.end()
}

func appProto(service string) string {
	if service == "ssl" {
		return "tls"
	}
	return service
}

func (p *pen) suricataDNS(at time.Time, f *flow, query, qtype string) {
	p.suricata(at, "dns", f)
	p.begin("dns")
	p.num("version", 2)
	p.str("type", "query")
	p.num("id", int64(p.r.IntN(65536)))
	p.str("rrname", query)
	p.str("rrtype", qtype)
	p.num("tx_id", 0)
	p.end()
	p.end()
}

func (p *pen) suricataTLS(at time.Time, f *flow, name string) {
	p.suricata(at, "tls", f)
	p.begin("tls")
	p.str("subject", "CN=", name)
	p.str("issuerdn", "C=XX, O=Sample Trust, CN=Sample Issuing CA 2")
	p.str("sni", name)
	p.str("version", "TLS 1.3")
	p.begin("ja3")
	p.id("hash", "", p.r, hexDigits, 32)
	p.end()
	p.end()
	p.end()
}

func (p *pen) suricataHTTP(at time.Time, f *flow, hostname, path string) {
	p.suricata(at, "http", f)
	p.num("tx_id", 0)
	p.begin("http")
	p.str("hostname", hostname)
	p.str("url", path)
	p.str("http_user_agent", pick(p.r, browsers))
	p.str("http_content_type", "text/html")
	p.str("http_method", "GET")
	p.str("protocol", "HTTP/1.1")
	p.num("status", 200)
	p.num("length", f.in)
	p.end()
	p.end()
}

func (p *pen) suricataFlow(at time.Time, f *flow) {
	p.suricata(at, "flow", f)
	if f.service != "" {
		p.str("app_proto", appProto(f.service))
	}
	p.begin("flow")
	p.num("pkts_toserver", 2+f.out/700)
	p.num("pkts_toclient", 2+f.in/1200)
	p.num("bytes_toserver", f.out)
	p.num("bytes_toclient", f.in)
	p.time("start", at.Add(-f.took), suricataTime)
	p.time("end", at, suricataTime)
	p.num("age", int64(f.took/time.Second))
	p.str("state", "closed")
	p.str("reason", "timeout")
	p.bool("alerted", false)
	p.end()
	p.end()
}

// sites are names of the Internet at large that people look at.
var sites = strings.Fields(`www.news.example mail.partner.example cdn.video.example api.weather.example
	login.bank.example static.shop.example www.search.example updates.vendor.example docs.wiki.example
	images.photos.example ntp.time.example chat.talk.example git.code.example pkg.mirror.example maps.route.example`)

var browsers = []string{
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 Safari/605.1.15",
}
