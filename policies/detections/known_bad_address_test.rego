package riposte.detect.known_bad_address_test

import data.riposte.detect.known_bad_address

to(ip, indicators) := {
	"class_uid": 4001, "src_endpoint": {"ip": "10.20.100.9"}, "dst_endpoint": {"ip": ip},
	"context": {"indicators": indicators},
}

listed(ip, confidence) := {"entity": "ip", "value": ip, "role": "dst", "kind": "ip", "indicator": ip, "confidence": confidence}

test_listed_address_matches if {
	known_bad_address.match with input as to("203.0.113.42", [listed("203.0.113.42", 80)])
}

test_address_of_a_listed_network_matches if {
	known_bad_address.match with input as to("203.0.113.42", [object.union(listed("203.0.113.42", 80), {"kind": "network", "indicator": "203.0.113.0/24"})])
}

test_listed_source_does_not if {
	not known_bad_address.match with input as to("203.0.113.43", [listed("203.0.113.42", 80)])
}

test_unsure_indicator_does_not if {
	not known_bad_address.match with input as to("203.0.113.42", [listed("203.0.113.42", 49)])
}

test_listed_address_in_another_class_does_not if {
	not known_bad_address.match with input as object.union(to("203.0.113.42", [listed("203.0.113.42", 80)]), {"class_uid": 3002})
}

test_undefined_input_does_not if not known_bad_address.match with input as {}
