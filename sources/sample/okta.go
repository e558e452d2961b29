package sample

import "time"

// place is where an address is, as an identity provider looks it up.
type place struct {
	city, country string
	asn           int64
	isp           string
}

var home = place{"Bern", "Switzerland", 64500, "sample corp"}

// abroad are the places that attackers come from. The system numbers are reserved for
// documentation (RFC 5398).
var abroad = []place{
	{"Springfield", "United States", 64501, "bulk hosting one"},
	{"Valparaiso", "Chile", 64502, "bulk hosting two"},
	{"Hobart", "Australia", 64503, "bulk hosting three"},
	{"Tromso", "Norway", 64504, "bulk hosting four"},
}

// oktaEvent is what differs between the events of the system log.
type oktaEvent struct {
	kind, legacy, message string
	severity              string // INFO or WARN
	result, reason        string
	target                *user  // whom it was done to; nil if the actor alone is concerned
	app                   string // application; empty if none
}

var (
	oktaLogin    = oktaEvent{kind: "user.session.start", legacy: "core.user_auth.login_success", message: "User login to Okta", severity: "INFO", result: "SUCCESS"}
	oktaFailure  = oktaEvent{kind: "user.session.start", legacy: "core.user_auth.login_failed", message: "User login to Okta", severity: "INFO", result: "FAILURE", reason: "INVALID_CREDENTIALS"}
	oktaLogout   = oktaEvent{kind: "user.session.end", legacy: "core.user_auth.logout_success", message: "User logout from Okta", severity: "INFO", result: "SUCCESS"}
	oktaFactor   = oktaEvent{kind: "user.authentication.auth_via_mfa", legacy: "core.user.factor.attempt_success", message: "Authentication of user via MFA", severity: "INFO", result: "SUCCESS"}
	oktaSSO      = oktaEvent{kind: "user.authentication.sso", legacy: "app.auth.sso", message: "User single sign on to app", severity: "INFO", result: "SUCCESS"}
	oktaUnenroll = oktaEvent{kind: "user.mfa.factor.deactivate", legacy: "core.user.factor.deactivate", message: "Reset factor for user", severity: "INFO", result: "SUCCESS"}
)

// oktaDay is what people do with the identity provider.
var oktaDay = []oktaEvent{oktaLogin, oktaFactor, oktaSSO, oktaSSO, oktaLogout}

var apps = []string{"Mail", "Wiki", "Expenses", "Source Code", "Payroll", "Calendar", "Tickets"}

func (p *pen) okta(at time.Time, e oktaEvent, u *user, ip string, where place) {
	p.start(sourceOkta, u.name)
	p.uuid("uuid", p.r)
	p.time("published", at, isoMillis)
	p.str("eventType", e.kind)
	p.str("version", "0")
	p.str("severity", e.severity)
	p.str("legacyEventType", e.legacy)
	p.str("displayMessage", e.message)
	p.begin("actor")
	p.oktaPerson(u)
	p.end()
	p.oktaClient(ip, where)
	p.begin("outcome")
	p.str("result", e.result)
	if e.reason != "" {
		p.str("reason", e.reason)
	} else {
		p.raw("reason", "null")
	}
	p.end()
	p.oktaTargets(e)
	p.begin("transaction")
	p.str("type", "WEB")
	p.id("id", "", p.r, base62, 22)
	p.raw("detail", "{}")
	p.end()
	p.begin("authenticationContext")
	p.num("authenticationStep", 0)
	p.id("externalSessionId", "102", p.r, base62, 22)
	p.end()
	p.begin("securityContext")
	p.num("asNumber", where.asn)
	p.str("asOrg", where.isp)
	p.str("isp", where.isp)
	p.bool("isProxy", false)
	p.end()
	p.end()
}

func (p *pen) oktaPerson(u *user) {
	p.str("id", u.oktaID)
	p.str("type", "User")
	p.str("alternateId", u.mail)
	p.str("displayName", u.display)
}

func (p *pen) oktaClient(ip string, where place) {
	p.begin("client")
	p.begin("userAgent")
	p.str("rawUserAgent", pick(p.r, browsers))
	p.str("os", "Windows 10")
	p.str("browser", "CHROME")
	p.end()
	p.str("zone", "null")
	p.str("device", "Computer")
	p.str("ipAddress", ip)
	p.begin("geographicalContext")
	p.str("city", where.city)
	p.str("country", where.country)
	p.end()
	p.end()
}

func (p *pen) oktaTargets(e oktaEvent) {
	p.key("target")
	switch {
	case e.target != nil:
		p.b = append(p.b, '[', '{')
		p.oktaPerson(e.target)
		p.b = append(p.b, '}', ']')
	case e.app != "":
		p.b = append(p.b, '[', '{')
		p.str("id", "0oa", e.app)
		p.str("type", "AppInstance")
		p.str("alternateId", e.app)
		p.str("displayName", e.app)
		p.b = append(p.b, '}', ']')
	default:
		p.b = append(p.b, "null"...)
	}
}
