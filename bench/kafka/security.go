package kafka

import (
	"context"
	"fmt"
	"io"
	"strings"
)

// Listener is a way to reach the broker beside the plain one.
type Listener string

// The listeners of a cluster with Security.
const (
	TLS       Listener = "TLS"      // encrypted, anybody may come
	MutualTLS Listener = "MTLS"     // encrypted, with a certificate of the client
	SASL      Listener = "LOGIN"    // a login with any of the mechanisms, not encrypted
	SASLOnTLS Listener = "LOGINTLS" // the same, encrypted
)

var listeners = []Listener{TLS, MutualTLS, SASL, SASLOnTLS}

// protocols are what Kafka calls them.
var protocols = map[Listener]string{TLS: "SSL", MutualTLS: "SSL", SASL: "SASL_PLAINTEXT", SASLOnTLS: "SASL_SSL"}

// Security is who a broker is and whom it lets in. Files are PEM.
type Security struct {
	KeyFile       string // the broker's key (PKCS 8) and certificate, in one file
	AuthorityFile string // certificates of those who sign for clients
	User          string // may log in by PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512
	Password      string
}

// StartSecure starts one broker with all listeners beside the plain one, which is the
// broker's own. It is Start in all else. Users with a name, by a certificate or a login, may
// do nothing until access lists let them; the plain listener and TLS have no names.
func StartSecure(ctx context.Context, dir string, sec Security, progress io.Writer) (*Cluster, error) {
	return boot(ctx, dir, 1, &sec, progress)
}

// Addr is the address of a listener of a cluster that StartSecure made.
func (c *Cluster) Addr(l Listener) string {
	return fmt.Sprintf("127.0.0.1:%d", c.nodes[0].secure[l])
}

// addTo puts the listeners into the configuration of a node.
func (s *Security) addTo(config []byte, ports map[Listener]int) []byte {
	var open, names, own strings.Builder
	for _, l := range listeners {
		fmt.Fprintf(&open, ",%s://127.0.0.1:%d", l, ports[l])
		fmt.Fprintf(&names, ",%s:%s", l, protocols[l])
	}
	of := func(l Listener, key, value string) {
		fmt.Fprintf(&own, "listener.name.%s.%s=%s\n", strings.ToLower(string(l)), key, value)
	}
	for _, l := range []Listener{TLS, MutualTLS, SASLOnTLS} {
		of(l, "ssl.keystore.type", "PEM")
		of(l, "ssl.keystore.location", s.KeyFile)
		of(l, "ssl.truststore.type", "PEM")
		of(l, "ssl.truststore.location", s.AuthorityFile)
	}
	of(MutualTLS, "ssl.client.auth", "required")
	for _, l := range []Listener{SASL, SASLOnTLS} {
		of(l, "sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512")
		of(l, "plain.sasl.jaas.config", fmt.Sprintf("org.apache.kafka.common.security.plain.PlainLoginModule required user_%s=%q;", s.User, s.Password))
		of(l, "scram-sha-256.sasl.jaas.config", "org.apache.kafka.common.security.scram.ScramLoginModule required;")
		of(l, "scram-sha-512.sasl.jaas.config", "org.apache.kafka.common.security.scram.ScramLoginModule required;")
	}
	// Who comes without a name may do everything, a named user what access lists say.
	own.WriteString("authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\nsuper.users=User:ANONYMOUS\n")
	var out strings.Builder
	for line := range strings.Lines(string(config)) {
		line = strings.TrimSuffix(line, "\n")
		switch key, _, _ := strings.Cut(line, "="); key {
		case "listeners", "advertised.listeners":
			line += open.String()
		case "listener.security.protocol.map":
			line += names.String()
		}
		out.WriteString(line + "\n")
	}
	return []byte(out.String() + own.String())
}

// users are the arguments that make StorageTool write the user's SCRAM credentials.
func (s *Security) users() []string {
	var args []string
	for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
		args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, s.User, s.Password))
	}
	return args
}
