# METADATA
# title: A user reported suspicious activity
# description: A person said that a login or a change of their account, which Okta told them of by mail, was not theirs.
# custom:
#   id: okta_user_reported
#   severity: high
#   attack: [TA0001, T1078]
#   owner: riposte
#   sources: [okta]
#   group_by: [entity.user]
#   false_positives:
#     - People who press the button by mistake; one call to them tells.
package riposte.detect.okta_user_reported

match if {
	input.metadata.log_name == "okta"
	input.metadata.event_code == "user.account.report_suspicious_activity_by_enduser"
}
