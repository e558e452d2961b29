package main

import (
	"fmt"
	"strings"
)

// workerConfig is the document that a worker starts with. Snapshots come often: a worker
// lives for seconds here, and the crash point behind a snapshot shall be reached as well.
func workerConfig(s *stack, i int, listen string) []byte {
	return fmt.Appendf(nil, `kafka:
  brokers: ["%s"]
clickhouse:
  dsn: clickhouse://%s/riposte
topics:
  partitions: %d
policies: %s
correlate: {lateness: %s, storm: 0}
worker:
  name: chaos%d
  lanes: 1
  snapshots: 3s
http:
  listen: %s
sinks:
  log: {}
  webhook:
    url: %s
    internal: true
    timeout: 2s
    keys: [{id: chaos, secret: {env: CHAOS_SECRET}}]
`, strings.Join(s.brokers.addrs(), `", "`), s.clickhouseTCP, partitions, s.policies, s.lateness, i, listen, s.vendorURL)
}
