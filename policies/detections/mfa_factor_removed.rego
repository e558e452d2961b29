# METADATA
# title: A second factor was removed
# description: >-
#   A factor of multi-factor authentication was deactivated, reset or suspended for an account.
#   Who took an account over does this to keep it.
# custom:
#   id: mfa_factor_removed
#   severity: medium
#   attack: [TA0003, TA0005, T1556.006]
#   owner: riposte
#   sources: [okta]
#   classes: [3001]
#   group_by: [entity.user]
#   false_positives:
#     - A help desk that resets factors for new phones. Exclude its accounts by actor.
package riposte.detect.mfa_factor_removed

match if {
	input.class_uid == 3001
	input.status_id == 1
	input.metadata.log_name == "okta"
	input.metadata.event_code in removals
}

removals := {"user.mfa.factor.deactivate", "user.mfa.factor.reset_all", "user.mfa.factor.suspend"}
