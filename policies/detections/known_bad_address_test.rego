package riposte.detect.known_bad_address_test

import data.riposte.detect.known_bad_address

list := {"203.0.113.42": "test"}

to(ip) := {"class_uid": 4001, "src_endpoint": {"ip": "10.20.100.9"}, "dst_endpoint": {"ip": ip}}

test_listed_address_matches if {
	known_bad_address.match with input as to("203.0.113.42")
		with data.lists.bad_addresses as list
}

test_neighbour_of_a_listed_address_does_not if {
	not known_bad_address.match with input as to("203.0.113.43")
		with data.lists.bad_addresses as list
}

test_listed_address_in_another_class_does_not if {
	not known_bad_address.match with input as object.union(to("203.0.113.42"), {"class_uid": 3002})
		with data.lists.bad_addresses as list
}

test_shipped_list_is_there if known_bad_address.match with input as to("203.0.113.17")

test_undefined_input_does_not if not known_bad_address.match with input as {}
