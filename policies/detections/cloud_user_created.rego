# METADATA
# title: A cloud user or a key was made
# description: A user, an access key or a console password was made in the cloud account, which keeps a way in open.
# custom:
#   id: cloud_user_created
#   severity: low
#   attack: [TA0003, T1136.003, T1098.001]
#   owner: riposte
#   sources: [cloudtrail]
#   classes: [3001]
#   group_by: [entity.user]
#   false_positives:
#     - Rotation of keys by the users' administrators or by a pipeline.
package riposte.detect.cloud_user_created

import data.riposte.lib.cloud

match if cloud.called("iam.amazonaws.com", {"CreateUser", "CreateAccessKey", "CreateLoginProfile", "UpdateLoginProfile"})
