# METADATA
# title: Contact with a known-bad address
# description: >-
#   A device of the organisation talks to an address on the list of bad addresses
#   (data/addresses.json). The list that is shipped holds addresses of the sample traffic
#   alone; put your own intelligence there.
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
	data.lists.bad_addresses[input.dst_endpoint.ip]
}
