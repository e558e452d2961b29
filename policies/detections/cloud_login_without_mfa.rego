# METADATA
# title: A console login without a second factor
# description: A user logged in to the cloud console with a password alone.
# custom:
#   id: cloud_login_without_mfa
#   severity: medium
#   attack: [TA0001, T1078.004]
#   owner: riposte
#   sources: [cloudtrail]
#   group_by: [entity.user]
#   false_positives:
#     - Logins through an identity provider do not tell the cloud about the factor; they are not of type IAMUser.
package riposte.detect.cloud_login_without_mfa

match if {
	input.metadata.log_name == "cloudtrail"
	input.unmapped.eventName == "ConsoleLogin"
	input.unmapped.userIdentity.type in {"IAMUser", "Root"}
	input.unmapped.responseElements.ConsoleLogin == "Success"
	input.unmapped.additionalEventData.MFAUsed == "No"
}
