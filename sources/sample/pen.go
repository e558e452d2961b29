package sample

import "time"

// The sources that the traffic comes from: the <source> of raw.<source>.
const (
	sourceSuricata   = "suricata"
	sourceZeek       = "zeek"
	sourceWindows    = "windows"
	sourceCloudTrail = "cloudtrail"
	sourceOkta       = "okta"
)

// Sources returns the names of the sources that the traffic comes from, sorted.
func Sources() []string {
	return []string{sourceCloudTrail, sourceOkta, sourceSuricata, sourceWindows, sourceZeek}
}

// pen writes one vendor record at a time. Its methods leave the record in the object's
// buffer and what it is about, the record key, in the field about. Each draws what it is
// not told from r.
type pen struct {
	object
	r     *source
	org   *org
	src   string // source of the record
	about string // key of the record
	// mistake is when somebody last mistyped a password at the identity provider.
	mistake time.Time
}

// start begins a record.
func (p *pen) start(src, about string) {
	p.src, p.about = src, about
	p.reset()
}

// flow is one connection as a network sensor sees it.
type flow struct {
	src, dst     string
	sport, dport int
	proto        string   // "tcp" or "udp"
	service      string   // "dns", "http", "ssl", ...; empty if unknown
	uid          [17]byte // Zeek's connection id: records of one connection share it
	flowID       int64    // Suricata's
	out, in      int64    // bytes from and to the client
	took         time.Duration
}

func (p *pen) flow(src, dst string, dport int, proto, service string) flow {
	f := flow{
		src: src, dst: dst, sport: p.r.between(49152, 65535), dport: dport, proto: proto, service: service, flowID: p.r.Int64N(1 << 51),
		out: int64(p.r.between(80, 4000)), in: int64(p.r.between(120, 60000)),
		took: time.Duration(p.r.between(1, 9000)) * time.Millisecond,
	}
	p.r.appendID(f.uid[:0], base62, len(f.uid))
	return f
}
