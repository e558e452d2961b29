# METADATA
# title: NTLM logon over the network
# description: >-
#   A person's account logged on to a machine over the network with NTLM, where a domain uses
#   Kerberos. Stolen hashes and most tools for remote execution look like this.
# custom:
#   id: ntlm_logon_to_server
#   severity: informational
#   attack: [TA0008, T1021.002, T1550.002]
#   owner: riposte
#   sources: [windows]
#   classes: [3002]
#   group_by: [src_endpoint.ip]
#   false_positives:
#     - Machines outside the domain, addresses used in place of names, old appliances.
package riposte.detect.ntlm_logon_to_server

match if {
	input.class_uid == 3002
	input.activity_id == 1
	input.status_id == 1
	input.logon_type_id == 3
	input.auth_protocol_id == 1
	not endswith(input.user.name, "$")
	not lower(input.user.name) in {"anonymous logon", "guest"}
	not startswith(input.src_endpoint.ip, "127.")
}
