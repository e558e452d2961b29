package riposte.detect.threat_intel_match_test

import data.riposte.detect.threat_intel_match

event(kind, confidence) := {"class_uid": 4003, "context": {"indicators": [{
	"entity": kind, "value": "a.evil.example", "role": "query",
	"kind": kind, "indicator": "evil.example", "confidence": confidence,
}]}}

test_listed_domain_matches if threat_intel_match.match with input as event("domain", 60)

test_listed_hash_matches if threat_intel_match.match with input as event("hash", 100)

test_unsure_indicator_does_not if not threat_intel_match.match with input as event("domain", 59)

test_address_does_not if not threat_intel_match.match with input as event("ip", 90)

test_undefined_input_does_not if not threat_intel_match.match with input as {}
