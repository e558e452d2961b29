# METADATA
# title: Administrator rights in the cloud
# description: A policy that allows everything was attached to a user, a group or a role.
# custom:
#   id: cloud_admin_granted
#   severity: high
#   attack: [TA0003, TA0004, T1098.003]
#   owner: riposte
#   sources: [cloudtrail]
#   classes: [3001, 3006, 6003]
#   group_by: [entity.user]
#   false_positives:
#     - Set-up of a new account.
package riposte.detect.cloud_admin_granted

import data.riposte.lib.cloud

match if {
	cloud.called("iam.amazonaws.com", {"AttachUserPolicy", "AttachGroupPolicy", "AttachRolePolicy"})
	endswith(input.policy.uid, ":policy/AdministratorAccess")
}

match if {
	cloud.called("iam.amazonaws.com", {"PutUserPolicy", "PutGroupPolicy", "PutRolePolicy"})
	regex.match(`"Action"\s*:\s*\[?\s*"\*(:\*)?"`, input.unmapped.requestParameters.policyDocument)
}
