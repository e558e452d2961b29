package sample

import (
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// sprayer returns the address that run n of an attack from abroad comes from.
func sprayer(n, offset int) string {
	var b [15]byte
	return string(appendAddr(b[:0], 198, 51, 100, 1+(n*3+offset)%254))
}

var storySpray = Story{
	Name:  "password_spray",
	Title: "Password spraying, then success",
	Text: "Somebody abroad tries one password on two dozen accounts of the identity provider and a few on the remote " +
		"desktop gateway, gets into one account, and removes its second factor.",
	Sources:    []string{sourceOkta, sourceWindows},
	Detections: []string{"login_failed", "login_from_outside", "mfa_factor_removed"},
	Incidents: []Incident{{
		Entity: "ip", Detections: []string{"login_failed", "login_from_outside"}, Responses: []string{"ticket.open", "ip.block", "user.suspend"},
	}},
	write: tellSpray,
}

func tellSpray(s *script, n int) {
	ip, from := sprayer(n, 0), abroad[n%len(abroad)]
	victim := s.victim(n, 11)
	s.subject(pipeline.EntityIP, ip, "src")
	s.subject(pipeline.EntityUser, victim.name, "user")
	gateway := s.org.servers[len(serverRoles)-1]
	for i := range 24 {
		u := s.victim(n, 12+i)
		if i%6 == 5 {
			u = victim
		}
		s.okta(s.at, oktaFailure, u, ip, from)
		s.happened(4 * time.Second)
		if i%4 == 3 {
			l := logon{user: u.name, sid: "S-1-0-0", kind: 3, pkg: "NTLM", from: ip, machine: "DESKTOP-0"}
			s.windowsLogonFailed(s.at, gateway, l)
			s.happened(2 * time.Second)
		}
		s.wait(500*time.Millisecond, 1500*time.Millisecond)
	}
	s.wait(5*time.Second, 6*time.Second)
	s.okta(s.at, oktaLogin, victim, ip, from)
	s.happened(4 * time.Second)
	s.wait(2*time.Second, 5*time.Second)
	sso := oktaSSO
	sso.app = "Payroll"
	s.okta(s.at, sso, victim, ip, from)
	s.happened(4 * time.Second)
	s.wait(2*time.Second, 5*time.Second)
	unenroll := oktaUnenroll
	unenroll.target = victim
	s.okta(s.at, unenroll, victim, ip, from)
	s.happened(4 * time.Second)
}

var storyCloudKey = Story{
	Name:  "leaked_cloud_key",
	Title: "A leaked cloud key, used from abroad",
	Text: "The long-lived key of a machine user is used from an address outside the organisation: it looks around, is " +
		"refused here and there, makes itself an administrator with a key of its own, reads secrets and stops the audit log.",
	Sources: []string{sourceCloudTrail},
	Detections: []string{
		"cloud_key_abroad", "cloud_access_denied", "cloud_user_created", "cloud_admin_granted",
		"cloud_secret_read_outside", "cloud_audit_log_stopped",
	},
	Incidents: []Incident{{
		Entity: "key", Detections: []string{"cloud_key_abroad"}, Responses: []string{"page.send", "ticket.open", "key.disable"},
	}},
	write: tellCloudKey,
}

func tellCloudKey(s *script, n int) {
	ip := sprayer(n, 100)
	u := s.org.cloud[n%len(s.org.cloud)]
	u.agent = cloudAgents[2]
	s.subject(pipeline.EntityKey, u.key, "actor")
	s.subject(pipeline.EntityUser, u.name, "actor")
	s.subject(pipeline.EntityIP, ip, "src")
	helper := "svc-" + string(s.r.appendID(nil, "abcdefghijklmnopqrstuvwxyz", 6))
	calls := []call{
		{service: "sts", name: "GetCallerIdentity", read: true, request: "null", response: "null"},
		{service: "iam", name: "ListUsers", read: true, request: "null", response: "null"},
		{service: "iam", name: "ListAttachedUserPolicies", read: true, request: `{"userName":"` + u.name + `"}`, response: "null"},
		{service: "organizations", name: "ListAccounts", read: true, failure: "AccessDenied", request: "null", response: "null"},
		{service: "ec2", name: "DescribeInstances", read: true, failure: "Client.UnauthorizedOperation", request: `{"instancesSet":{}}`, response: "null"},
		{service: "iam", name: "CreateUser", request: `{"userName":"` + helper + `"}`, response: `{"user":{"userName":"` + helper + `"}}`},
		{service: "iam", name: "CreateAccessKey", request: `{"userName":"` + helper + `"}`, response: `{"accessKey":{"userName":"` + helper + `","status":"Active"}}`},
		{service: "iam", name: "AttachUserPolicy", request: `{"userName":"` + helper + `","policyArn":"arn:aws:iam::aws:policy/AdministratorAccess"}`, response: "null"},
		{service: "secretsmanager", name: "GetSecretValue", read: true, request: `{"secretId":"prod/payments/db"}`, response: "null"},
		{service: "secretsmanager", name: "GetSecretValue", read: true, request: `{"secretId":"prod/crm/token"}`, response: "null"},
		{service: "cloudtrail", name: "StopLogging", request: `{"name":"arn:aws:cloudtrail:eu-central-1:` + accountID + `:trail/main"}`, response: "null"},
	}
	for _, c := range calls {
		s.cloudKey(s.at, &u, ip, c)
		s.happened(20 * time.Second)
		s.wait(2*time.Second, 6*time.Second)
	}
}
