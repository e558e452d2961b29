# METADATA
# title: A name, file or mail address that is known to be bad
# description: >-
#   An event names a domain, URL, file hash or mail address that threat intelligence knows as
#   bad with a confidence of at least 60 (riposte context load, see docs/context.md).
# custom:
#   id: threat_intel_match
#   severity: high
#   attack: [TA0011, T1071]
#   owner: riposte
#   sources: [zeek, suricata, windows, okta, cloudtrail]
#   group_by: ["e:1"]
#   false_positives:
#     - Researchers who look at what is listed; sites that were cleaned since they were listed.
package riposte.detect.threat_intel_match

match if {
	some i in input.context.indicators
	i.kind in {"domain", "url", "hash", "mail"}
	i.confidence >= 60
}
