package riposte.detect.dns_tunnel_test

import data.riposte.detect.dns_tunnel

piece := "mzxw6ytboi3dsnrqgeztinjwg44dsmjqgi4tcobvgq3tqmzvgy4tsmbr"

ask(name, type) := {"class_uid": 4003, "src_endpoint": {"ip": "10.20.100.9"}, "query": {"hostname": name, "type": type}}

long := concat(".", [piece, "t1.sync-metrics.example"])

test_long_txt_question_matches if dns_tunnel.match with input as ask(long, "TXT")

test_same_name_as_address_question_does_not if not dns_tunnel.match with input as ask(long, "A")

test_long_name_of_short_labels_does_not if {
	name := "one.two-of-these.three-of-these.four-of-these.five-of-these.six.mail.corp.example"
	not dns_tunnel.match with input as ask(name, "TXT")
}

test_mail_key_question_does_not if {
	name := "selector-2026-11._domainkey.news.partner.example"
	not dns_tunnel.match with input as ask(name, "TXT")
}

test_undefined_input_does_not if not dns_tunnel.match with input as {}
