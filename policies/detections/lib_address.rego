# METADATA
# title: Addresses
# description: Questions about addresses that several detections ask. The networks are those of data/addresses.json; an organisation puts its own there.
# custom:
#   owner: riposte
package riposte.lib.address

# outside(ip) holds for a valid address that belongs neither to the organisation nor to a
# range that is never routed on the Internet. It is undefined for text that is no address.
outside(ip) if {
	net.cidr_is_valid(concat("/", [ip, "32"]))
	not at_home(ip)
}

at_home(ip) if {
	some network in data.lists.home_networks
	net.cidr_contains(network, ip)
}
