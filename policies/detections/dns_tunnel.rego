# METADATA
# title: A DNS question that carries data
# description: >-
#   A question whose name is long and has a label that no person chose, for a type of record
#   that can carry data back. One is odd; correlations make an exfiltration of dozens.
# custom:
#   id: dns_tunnel
#   severity: medium
#   attack: [TA0010, TA0011, T1048.003, T1071.004]
#   owner: riposte
#   sources: [zeek, suricata]
#   classes: [4003]
#   group_by: [src_endpoint.ip]
#   false_positives:
#     - Mail and reputation services look names up whose labels are digests; add their domains to the exceptions.
package riposte.detect.dns_tunnel

match if {
	input.class_uid == 4003
	input.query.type in {"TXT", "NULL", "CNAME", "KEY"}
	count(input.query.hostname) >= 70
	some label in split(input.query.hostname, ".")
	count(label) >= 32
	not startswith(label, "_")
}
