# METADATA
# title: Cloud API calls
# description: Questions about CloudTrail records that several detections ask.
# custom:
#   owner: riposte
package riposte.lib.cloud

# called(service, operations) holds for a call of one of the operations that was carried out.
called(service, operations) if {
	input.metadata.log_name == "cloudtrail"
	input.api.service.name == service
	input.api.operation in operations
	not input.api.response.error
}

# long_lived_key holds for a call with a key that does not expire by itself.
long_lived_key if startswith(input.actor.session.uid, "AKIA")
