# METADATA
# title: An event log was cleared
# description: Somebody cleared the security log or another event log of a Windows machine. The event names who did it.
# custom:
#   id: event_log_cleared
#   severity: high
#   attack: [TA0005, T1070.001]
#   owner: riposte
#   sources: [windows]
#   group_by: [entity.host]
#   false_positives:
#     - Images of new machines are prepared by clearing the logs.
package riposte.detect.event_log_cleared

match if {
	input.metadata.log_name == "windows"
	input.metadata.event_code in {"1102", "104"}
	channel in {"security", "system"}
}

channel := lower(name) if name := input.unmapped.Channel

else := lower(input.unmapped.Event.System.Channel)
