package riposte.detect.cloud_access_denied_test

import data.riposte.detect.cloud_access_denied

call(response) := {"metadata": {"log_name": "cloudtrail"}, "api": {"operation": "ListUsers", "response": response}}

test_refused_call_matches if cloud_access_denied.match with input as call({"error": "AccessDenied"})

test_throttled_call_does_not if not cloud_access_denied.match with input as call({"error": "ThrottlingException"})

test_call_without_error_does_not if not cloud_access_denied.match with input as call({})

test_undefined_input_does_not if not cloud_access_denied.match with input as {}
