package riposte.detect.mfa_factor_removed_test

import data.riposte.detect.mfa_factor_removed

event(code, result) := {
	"metadata": {"log_name": "okta", "event_code": code},
	"unmapped": {"eventType": code, "outcome": {"result": result}},
}

test_removed_factor_matches if mfa_factor_removed.match with input as event("user.mfa.factor.deactivate", "SUCCESS")

test_reset_of_all_factors_matches if mfa_factor_removed.match with input as event("user.mfa.factor.reset_all", "SUCCESS")

test_new_factor_does_not if not mfa_factor_removed.match with input as event("user.mfa.factor.activate", "SUCCESS")

test_refused_removal_does_not if not mfa_factor_removed.match with input as event("user.mfa.factor.deactivate", "FAILURE")

test_undefined_input_does_not if not mfa_factor_removed.match with input as {}
