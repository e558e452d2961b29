# METADATA
# title: Contact with a known-bad address
# description: >-
#   A device of the organisation talks to an address that threat intelligence knows as bad
#   with a confidence of at least 50 (riposte context load, see docs/context.md).
# custom:
#   id: known_bad_address
#   severity: high
#   attack: [TA0011, T1071.001, T1571]
#   owner: riposte
#   sources: [zeek, suricata, windows]
#   classes: [4001, 4002]
#   group_by: [dst_endpoint.ip]
#   false_positives:
#     - Lists grow old; addresses of shared hosting serve good sites as well.
package riposte.detect.known_bad_address

match if {
	input.class_uid in {4001, 4002}
	some i in input.context.indicators
	i.value == input.dst_endpoint.ip
	i.confidence >= 50
}
