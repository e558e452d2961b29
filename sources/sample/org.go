package sample

import (
	"fmt"
	"strings"
)

// The organisation's own names.
const (
	domain    = "corp.example"
	netbios   = "CORP"
	accountID = "111122223333"
	resolver  = "10.20.0.53"
	proxyIP   = "10.20.0.80"
)

// exits are the addresses under which the organisation is seen from outside. They lie in
// the network that the shipped policies call home.
var exits = []string{"192.0.2.10", "192.0.2.11", "192.0.2.12"}

// host is a machine of the organisation.
type host struct {
	name   string // "WS-0042"
	fqdn   string // "ws-0042.corp.example"
	ip     string
	mac    string
	server bool
	nested bool  // its Windows events arrive as nested Event documents, not flat
	record int64 // number of its latest Windows event
}

// user is a person of the organisation with one machine.
type user struct {
	name    string // "anna.berg"
	display string // "Anna Berg"
	mail    string
	oktaID  string
	sid     string
	host    *host
}

// cloudUser is somebody or something with a long-lived cloud key.
type cloudUser struct {
	name, principal, key string
	agent                string // user agent of its calls
}

// org is the organisation: a function of the seed and of its size.
type org struct {
	hosts        []*host
	workstations []*host
	servers      []*host
	users        []user
	cloud        []cloudUser
}

var firstNames = strings.Fields(`anna bela carla dario elena faris greta hugo irene jonas katja lars maria nils olga
	pavel rosa sami tanja urs vera walid xenia yusuf zora adam bruno chiara david emil fiona georg hanna ivan julia`)

var lastNames = strings.Fields(`berg costa dubois ekman fischer garcia huber ivanova jensen keller lopez meier novak olsen
	petrov quist rossi schmid tanaka ulrich varga weber xu yilmaz zimmer arnold bianchi chen diaz eriksen frei gomez`)

var serverRoles = []string{"DC", "FILE", "MAIL", "SQL", "WEB", "APP", "BUILD", "BACKUP", "PRINT", "RDGW"}

var cloudNames = []string{
	"ci-deploy", "terraform", "backup-sync", "billing-export", "data-loader", "site-publish",
	"metrics-reader", "image-builder", "ticket-bridge", "log-shipper",
}

func newOrg(seed uint64, hosts, users int) *org {
	r := newSource(seed, 0x6f7267)
	o := &org{}
	servers := max(len(serverRoles), hosts/10)
	for i := range hosts {
		o.addHost(r, i, i < servers)
	}
	for i := range users {
		o.addUser(r, i)
	}
	for i := range max(len(cloudNames), users/25) {
		name := cloudNames[i%len(cloudNames)]
		if i >= len(cloudNames) {
			name = fmt.Sprintf("%s-%d", name, i/len(cloudNames)+1)
		}
		o.cloud = append(o.cloud, cloudUser{
			name: name, principal: string(r.appendID([]byte("AIDA"), base32, 16)), key: string(r.appendID([]byte("AKIA"), base32, 16)),
			agent: pick(r, cloudAgents),
		})
	}
	return o
}

func (o *org) addHost(r *source, i int, server bool) {
	h := &host{server: server, nested: server && i%2 == 0, mac: fmt.Sprintf("02:20:00:%02x:%02x:%02x", r.IntN(256), i>>8, i&255)}
	if server {
		h.name = fmt.Sprintf("%s-%02d", serverRoles[i%len(serverRoles)], i/len(serverRoles)+1)
		h.ip = fmt.Sprintf("10.20.%d.%d", 1+i/250, 1+i%250)
		o.servers = append(o.servers, h)
	} else {
		h.name = fmt.Sprintf("WS-%04d", i)
		h.ip = fmt.Sprintf("10.20.%d.%d", 100+i/250, 1+i%250)
		o.workstations = append(o.workstations, h)
	}
	h.fqdn = strings.ToLower(h.name) + "." + domain
	o.hosts = append(o.hosts, h)
}

func (o *org) addUser(r *source, i int) {
	first := firstNames[i%len(firstNames)]
	last := lastNames[(i/len(firstNames)+i%len(firstNames)*5)%len(lastNames)]
	name := first + "." + last
	if round := i / (len(firstNames) * len(lastNames)); round > 0 {
		name = fmt.Sprintf("%s%d", name, round+1)
	}
	o.users = append(o.users, user{
		name: name, mail: name + "@" + domain,
		display: strings.ToUpper(first[:1]) + first[1:] + " " + strings.ToUpper(last[:1]) + last[1:],
		oktaID:  string(r.appendID([]byte("00u"), base62, 17)),
		sid:     fmt.Sprintf("S-1-5-21-1004336348-1177238915-682003330-%d", 1100+i),
		host:    o.workstations[i%len(o.workstations)],
	})
}

// outside returns an address of the Internet at large that has no special meaning.
func outside(r *source) string {
	var b [15]byte
	return string(appendAddr(b[:0], 198, 18+r.IntN(2), r.IntN(256), 1+r.IntN(254)))
}

func appendAddr(dst []byte, parts ...int) []byte {
	for i, p := range parts {
		if i > 0 {
			dst = append(dst, '.')
		}
		dst = appendSmall(dst, p)
	}
	return dst
}

// appendSmall appends n, which is in [0, 999].
func appendSmall(dst []byte, n int) []byte {
	if n >= 100 {
		dst = append(dst, digits[n/100%10])
	}
	if n >= 10 {
		dst = append(dst, digits[n/10%10])
	}
	return append(dst, digits[n%10])
}
