package riposte.detect.mfa_factor_removed_test

import data.riposte.detect.mfa_factor_removed

event(code, status) := {"class_uid": 3001, "status_id": status, "metadata": {"log_name": "okta", "event_code": code}}

test_removed_factor_matches if mfa_factor_removed.match with input as event("user.mfa.factor.deactivate", 1)

test_reset_of_all_factors_matches if mfa_factor_removed.match with input as event("user.mfa.factor.reset_all", 1)

test_new_factor_does_not if not mfa_factor_removed.match with input as event("user.mfa.factor.activate", 1)

test_refused_removal_does_not if not mfa_factor_removed.match with input as event("user.mfa.factor.deactivate", 2)

test_undefined_input_does_not if not mfa_factor_removed.match with input as {}
