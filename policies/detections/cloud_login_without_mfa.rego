# METADATA
# title: A console login without a second factor
# description: A user logged in to the cloud console with a password alone.
# custom:
#   id: cloud_login_without_mfa
#   severity: medium
#   attack: [TA0001, T1078.004]
#   owner: riposte
#   sources: [cloudtrail]
#   classes: [3002]
#   group_by: [entity.user]
#   false_positives:
#     - Logins through an identity provider do not tell the cloud about the factor; they are not of type IAMUser.
package riposte.detect.cloud_login_without_mfa

match if {
	input.class_uid == 3002
	input.api.operation == "ConsoleLogin"
	input.status_id == 1
	input.is_mfa == false
	input.actor.user.type in {"IAMUser", "Root"}
}
