# METADATA
# title: The root user of a cloud account did something
# description: The root user, who is bound by no policy, logged in or made a call. Nobody needs it from day to day.
# custom:
#   id: cloud_root_used
#   severity: high
#   attack: [TA0001, TA0004, T1078.004]
#   owner: riposte
#   sources: [cloudtrail]
#   group_by: [entity.account]
#   false_positives:
#     - The few tasks that only the root user can do.
package riposte.detect.cloud_root_used

match if {
	input.metadata.log_name == "cloudtrail"
	input.actor.user.type == "Root"
	not input.unmapped.userIdentity.invokedBy
	input.metadata.event_code != "AwsServiceEvent"
}
