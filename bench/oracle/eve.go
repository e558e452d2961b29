package oracle

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// signature is an IDS rule. The numbers are from the range that is free for local rules.
type signature struct {
	id       int
	name     string
	category string
	severity int // 1 is worst
}

var (
	quiet = signature{1009001, "ORACLE POLICY Ordinary request over plain HTTP", "Misc activity", 3}
	// The category is what the shipped detection named by TriggerRule matches.
	loud = signature{1009002, "ORACLE TROJAN Observed check-in to a server under test", "A Network Trojan was detected", 1}
)

// TriggerRule is the shipped detection that matches triggers and nothing else of a plan.
const TriggerRule = "ids_command_and_control"

const eveTime = "2006-01-02T15:04:05.000000-0700"

// flow is what makes one record differ from the next.
type flow struct {
	seq       uint64 // flow_id
	at        time.Time
	src, dst  string
	sport     uint16
	dport     uint16
	host      uint64 // its number
	signature signature
	out, in   int
}

// json returns the flow as a Suricata EVE alert of the size and shape of a real one.
func (f *flow) json() []byte {
	dst := []byte(`{"timestamp":"`)
	dst = f.at.UTC().AppendFormat(dst, eveTime)
	dst = append(dst, `","flow_id":`...)
	dst = strconv.AppendUint(dst, f.seq, 10)
	dst = fmt.Appendf(dst, `,"in_iface":"bond0","event_type":"alert","src_ip":"%s","src_port":%d,"dest_ip":"%s","dest_port":%d,"proto":"TCP","tx_id":0,`, f.src, f.sport, f.dst, f.dport)
	dst = fmt.Appendf(dst, `"alert":{"action":"allowed","gid":1,"signature_id":%d,"rev":2,"signature":"%s","category":"%s","severity":%d},`,
		f.signature.id, f.signature.name, f.signature.category, f.signature.severity)
	dst = fmt.Appendf(dst, `"http":{"hostname":"host%d.oracle.example","url":"/v1/items/%d?page=%d","http_user_agent":"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0","http_content_type":"application/json","http_method":"GET","protocol":"HTTP/1.1","status":200,"length":%d},`,
		f.host, f.seq, f.sport, f.in)
	dst = fmt.Appendf(dst, `"app_proto":"http","flow":{"pkts_toserver":%d,"pkts_toclient":%d,"bytes_toserver":%d,"bytes_toclient":%d,"start":"`,
		1+f.out/700, 1+f.in/1200, f.out, f.in)
	dst = f.at.Add(-time.Second).UTC().AppendFormat(dst, eveTime)
	return append(dst, `"}}`...)
}

// poisons are the ways in which a record can be unreadable. Each result contains seq, so
// that no two are equal.
var poisons = []func(seq uint64, whole []byte) []byte{
	func(_ uint64, whole []byte) []byte { return whole[:len(whole)-9] }, // cut off
	func(seq uint64, _ []byte) []byte { return fmt.Appendf(nil, "<134>not json at all %d", seq) },
	func(seq uint64, _ []byte) []byte { return fmt.Appendf(nil, `["flow_id",%d]`, seq) }, // no object
	func(seq uint64, _ []byte) []byte { // deeper than anything real
		const depth = 10_000
		b := fmt.Appendf(nil, `{"flow_id":%d,"a":`, seq)
		for range depth {
			b = append(b, `{"a":`...)
		}
		b = append(b, '1')
		for range depth + 1 {
			b = append(b, '}')
		}
		return b
	},
	func(seq uint64, _ []byte) []byte { return fmt.Appendf(nil, "%d\x00\xff\xfe\x1f\x8b", seq) }, // binary
	func(_ uint64, whole []byte) []byte { return append(whole, " trailing"...) },
}

func poison(r *rand.Rand, seq uint64, whole []byte) []byte {
	return poisons[r.IntN(len(poisons))](seq, whole)
}
