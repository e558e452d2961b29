# METADATA
# title: Cloud API calls
# description: Questions about CloudTrail records that several detections ask.
# custom:
#   owner: riposte
package riposte.lib.cloud

# called(service, operations) holds for a call of one of the operations that was carried out.
called(service, operations) if {
	input.metadata.log_name == "cloudtrail"
	input.unmapped.eventSource == service
	input.unmapped.eventName in operations
	not input.unmapped.errorCode
}

# long_lived_key holds for a call with a key that does not expire by itself.
long_lived_key if startswith(input.unmapped.userIdentity.accessKeyId, "AKIA")
