package riposte.detect.cloud_audit_log_stopped_test

import data.riposte.detect.cloud_audit_log_stopped

call(source, name) := {"metadata": {"log_name": "cloudtrail"}, "unmapped": {"eventSource": source, "eventName": name}}

test_stopped_trail_matches if cloud_audit_log_stopped.match with input as call("cloudtrail.amazonaws.com", "StopLogging")

test_deleted_flow_record_matches if cloud_audit_log_stopped.match with input as call("ec2.amazonaws.com", "DeleteFlowLogs")

test_started_trail_does_not if not cloud_audit_log_stopped.match with input as call("cloudtrail.amazonaws.com", "StartLogging")

test_undefined_input_does_not if not cloud_audit_log_stopped.match with input as {}
