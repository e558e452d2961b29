package sample

import (
	"strings"
	"time"
)

// zeekKeys are the names of the members that differ between the two JSON forms of Zeek.
type zeekKeys struct{ origH, origP, respH, respP string }

var (
	zeekDotted = zeekKeys{"id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p"}
	zeekUnder  = zeekKeys{"id_orig_h", "id_orig_p", "id_resp_h", "id_resp_p"}
)

// zeek begins a record of the log named path. Two sensors stand in the organisation and
// write the two JSON forms of Zeek: connections with an odd client port are seen by the one
// that writes dotted names and ISO times, the others by the one that streams underscored
// names and epoch times.
func (p *pen) zeek(at time.Time, path string, f *flow) {
	p.start(sourceZeek, f.src)
	keys := &zeekDotted
	if f.sport%2 == 1 {
		p.str("_path", path)
		p.time("_write_ts", at, isoMicros)
		p.time("ts", at, isoMicros)
	} else {
		keys = &zeekUnder
		p.str("@stream", path)
		p.str("@system", "sensor-2")
		p.str("@proc", "zeek")
		p.epoch("ts", at)
	}
	p.key("uid")
	p.b = append(append(append(p.b, '"', 'C'), f.uid[:]...), '"')
	p.str(keys.origH, f.src)
	p.num(keys.origP, int64(f.sport))
	p.str(keys.respH, f.dst)
	p.num(keys.respP, int64(f.dport))
}

func (p *pen) zeekConn(at time.Time, f *flow) {
	p.zeek(at, "conn", f)
	p.str("proto", f.proto)
	if f.service != "" {
		p.str("service", f.service)
	}
	p.seconds("duration", f.took)
	p.num("orig_bytes", f.out)
	p.num("resp_bytes", f.in)
	p.str("conn_state", "SF")
	p.bool("local_orig", strings.HasPrefix(f.src, "10."))
	p.bool("local_resp", strings.HasPrefix(f.dst, "10."))
	p.num("missed_bytes", 0)
	p.str("history", "ShADadFf")
	p.num("orig_pkts", 2+f.out/700)
	p.num("orig_ip_bytes", f.out+40*(2+f.out/700))
	p.num("resp_pkts", 2+f.in/1200)
	p.num("resp_ip_bytes", f.in+40*(2+f.in/1200))
	p.end()
}

func (p *pen) zeekDNS(at time.Time, f *flow, query, qtype, answer string) {
	p.zeek(at, "dns", f)
	p.str("proto", f.proto)
	p.num("trans_id", int64(p.r.IntN(65536)))
	p.seconds("rtt", time.Duration(p.r.between(1, 80))*time.Millisecond)
	p.str("query", query)
	p.num("qclass", 1)
	p.str("qclass_name", "C_INTERNET")
	p.num("qtype", qtypeNumber(qtype))
	p.str("qtype_name", qtype)
	p.num("rcode", 0)
	p.str("rcode_name", "NOERROR")
	p.bool("AA", false)
	p.bool("TC", false)
	p.bool("RD", true)
	p.bool("RA", true)
	p.num("Z", 0)
	p.key("answers")
	p.b = append(p.b, '[', '"')
	p.b = append(appendEscaped(p.b, answer), '"', ']')
	p.raw("TTLs", "[300.0]")
	p.bool("rejected", false)
	p.end()
}

// qtypeNumber is the type's number in the IANA registry of DNS parameters.
func qtypeNumber(qtype string) int64 {
	switch qtype {
	case "A":
		return 1
	case "TXT":
		return 16
	case "AAAA":
		return 28
	}
	panic("BUG: no number for query type " + qtype)
}

func (p *pen) zeekSSL(at time.Time, f *flow, name, status string) {
	p.zeek(at, "ssl", f)
	p.str("version", "TLSv12")
	p.str("cipher", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384")
	p.str("curve", "x25519")
	p.str("server_name", name)
	p.bool("resumed", false)
	p.bool("established", true)
	p.str("subject", "CN=", name)
	p.str("issuer", "CN=Sample Issuing CA 2,O=Sample Trust,C=XX")
	p.str("validation_status", status)
	p.id("ja3", "", p.r, hexDigits, 32)
	p.end()
}

func (p *pen) zeekHTTP(at time.Time, f *flow, hostname, path string) {
	p.zeek(at, "http", f)
	p.num("trans_depth", 1)
	p.str("method", "GET")
	p.str("host", hostname)
	p.str("uri", path)
	p.str("version", "1.1")
	p.str("user_agent", pick(p.r, browsers))
	p.num("request_body_len", 0)
	p.num("response_body_len", f.in)
	p.num("status_code", 200)
	p.str("status_msg", "OK")
	p.raw("tags", "[]")
	p.end()
}

func (p *pen) zeekSMB(at time.Time, f *flow, share string) {
	p.zeek(at, "smb_mapping", f)
	p.str("path", share)
	p.str("share_type", "DISK")
	p.end()
}

func (p *pen) zeekKerberos(at time.Time, f *flow, client, service string) {
	p.zeek(at, "kerberos", f)
	p.str("request_type", "TGS")
	p.str("client", client, "/CORP.EXAMPLE")
	p.str("service", service)
	p.bool("success", true)
	p.str("cipher", "aes256-cts-hmac-sha1-96")
	p.bool("forwardable", true)
	p.bool("renewable", true)
	p.end()
}
