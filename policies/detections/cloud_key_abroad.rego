# METADATA
# title: A cloud key is used from outside
# description: >-
#   A long-lived access key makes calls from an address that is not the organisation's. Keys of
#   machines stay where the machines are; a key elsewhere has leaked.
# custom:
#   id: cloud_key_abroad
#   severity: high
#   attack: [TA0001, TA0005, T1078.004, T1552.005]
#   owner: riposte
#   sources: [cloudtrail]
#   group_by: [entity.key]
#   false_positives:
#     - Machines of the organisation whose exit is not in home_networks (data/addresses.json).
package riposte.detect.cloud_key_abroad

import data.riposte.lib.address
import data.riposte.lib.cloud

match if {
	input.metadata.log_name == "cloudtrail"
	cloud.long_lived_key
	address.outside(input.src_endpoint.ip)
}
