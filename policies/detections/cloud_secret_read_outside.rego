# METADATA
# title: A secret was read from outside
# description: A secret or a decrypted parameter was read from an address that is not the organisation's.
# custom:
#   id: cloud_secret_read_outside
#   severity: high
#   attack: [TA0006, T1555.006]
#   owner: riposte
#   sources: [cloudtrail]
#   classes: [6003]
#   group_by: [entity.user]
#   false_positives:
#     - Build services of third parties that are allowed to read secrets; put their networks into home_networks.
package riposte.detect.cloud_secret_read_outside

import data.riposte.lib.address
import data.riposte.lib.cloud

match if {
	reads
	address.outside(input.src_endpoint.ip)
}

reads if cloud.called("secretsmanager.amazonaws.com", {"GetSecretValue", "BatchGetSecretValue"})

reads if {
	cloud.called("ssm.amazonaws.com", {"GetParameter", "GetParameters", "GetParametersByPath"})
	input.unmapped.requestParameters.withDecryption == true
}
