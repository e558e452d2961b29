package riposte.detect.cloud_audit_log_stopped_test

import data.riposte.detect.cloud_audit_log_stopped

call(service, operation) := {
	"class_uid": 6003, "metadata": {"log_name": "cloudtrail"},
	"api": {"service": {"name": service}, "operation": operation},
}

test_stopped_trail_matches if cloud_audit_log_stopped.match with input as call("cloudtrail.amazonaws.com", "StopLogging")

test_deleted_flow_record_matches if cloud_audit_log_stopped.match with input as call("ec2.amazonaws.com", "DeleteFlowLogs")

test_started_trail_does_not if not cloud_audit_log_stopped.match with input as call("cloudtrail.amazonaws.com", "StartLogging")

test_same_word_of_another_service_does_not if {
	not cloud_audit_log_stopped.match with input as call("redshift.amazonaws.com", "StopLogging")
}

test_undefined_input_does_not if not cloud_audit_log_stopped.match with input as {}
