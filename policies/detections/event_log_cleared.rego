# METADATA
# title: An event log was cleared
# description: Somebody cleared the security log or another event log of a Windows machine. The event names who did it.
# custom:
#   id: event_log_cleared
#   severity: high
#   attack: [TA0005, T1070.001]
#   owner: riposte
#   sources: [windows]
#   classes: [1008]
#   group_by: [entity.host]
#   false_positives:
#     - Images of new machines are prepared by clearing the logs.
package riposte.detect.event_log_cleared

match if {
	input.class_uid == 1008
	input.metadata.event_code in {"1102", "104"}
	lower(input.metadata.product.feature.name) in {"security", "system"}
}
