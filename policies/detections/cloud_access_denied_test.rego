package riposte.detect.cloud_access_denied_test

import data.riposte.detect.cloud_access_denied

call(unmapped) := {"metadata": {"log_name": "cloudtrail"}, "unmapped": unmapped}

test_refused_call_matches if cloud_access_denied.match with input as call({"errorCode": "AccessDenied"})

test_throttled_call_does_not if not cloud_access_denied.match with input as call({"errorCode": "ThrottlingException"})

test_call_without_error_does_not if not cloud_access_denied.match with input as call({"eventName": "ListUsers"})

test_undefined_input_does_not if not cloud_access_denied.match with input as {}
