package sample

import "time"

// call is one cloud API call.
type call struct {
	service, name string
	read          bool
	failure       string // error code; empty if it succeeded
	request       string // request parameters, JSON
	response      string // response elements, JSON
}

var cloudAgents = []string{
	"aws-cli/2.31.3 md/awscrt#0.27.6 ua/2.1 os/linux md/arch#x86_64 lang/python#3.13.7",
	"APN/1.0 HashiCorp/1.0 Terraform/1.13.3 aws-sdk-go-v2/1.39.2 ua/2.1 os/linux lang/go#1.25.1",
	"Boto3/1.40.40 md/Botocore#1.40.40 ua/2.1 os/linux md/arch#x86_64 lang/python#3.12.3",
}

// routine are the calls that machines make all day.
var routine = []call{
	{service: "ec2", name: "DescribeInstances", read: true, request: `{"maxResults":1000,"instancesSet":{},"filterSet":{}}`, response: "null"},
	{service: "ec2", name: "DescribeVolumes", read: true, request: `{"volumeSet":{},"filterSet":{}}`, response: "null"},
	{service: "s3", name: "GetBucketLocation", read: true, request: `{"bucketName":"corp-artifacts","location":""}`, response: "null"},
	{service: "s3", name: "ListBuckets", read: true, request: `{"Host":"s3.eu-central-1.amazonaws.com"}`, response: "null"},
	{service: "sts", name: "GetCallerIdentity", read: true, request: "null", response: "null"},
	{service: "cloudwatch", name: "PutMetricAlarm", request: `{"alarmName":"queue-depth","threshold":100.0}`, response: "null"},
	{service: "lambda", name: "ListFunctions20150331", read: true, request: "null", response: "null"},
	{service: "kms", name: "Decrypt", read: true, request: `{"encryptionAlgorithm":"SYMMETRIC_DEFAULT"}`, response: "null"},
	{service: "ecr", name: "GetAuthorizationToken", read: true, request: "{}", response: "null"},
	{service: "autoscaling", name: "DescribeAutoScalingGroups", read: true, request: "{}", response: "null"},
}

// cloudHead begins a CloudTrail record up to the caller, whose members the caller adds.
func (p *pen) cloudHead(about string) {
	p.start(sourceCloudTrail, about)
	p.str("eventVersion", "1.11")
	p.begin("userIdentity")
}

// cloudKey writes a call made with a long-lived key from ip.
func (p *pen) cloudKey(at time.Time, u *cloudUser, ip string, c call) {
	p.cloudHead(u.key)
	p.str("type", "IAMUser")
	p.str("principalId", u.principal)
	p.str("arn", "arn:aws:iam::"+accountID+":user/", u.name)
	p.str("accountId", accountID)
	p.str("accessKeyId", u.key)
	p.str("userName", u.name)
	p.end()
	p.cloudTail(at, ip, u.agent, c)
}

// cloudRole writes a call made by a person through a role, from the organisation.
func (p *pen) cloudRole(at time.Time, u *user, ip string, c call) {
	p.cloudHead(u.name)
	p.str("type", "AssumedRole")
	p.str("principalId", "AROASAMPLEENGINEERS1:", u.name)
	p.str("arn", "arn:aws:sts::"+accountID+":assumed-role/engineer/", u.name)
	p.str("accountId", accountID)
	p.id("accessKeyId", "ASIA", p.r, base32, 16)
	p.begin("sessionContext")
	p.begin("sessionIssuer")
	p.str("type", "Role")
	p.str("principalId", "AROASAMPLEENGINEERS1")
	p.str("arn", "arn:aws:iam::"+accountID+":role/engineer")
	p.str("accountId", accountID)
	p.str("userName", "engineer")
	p.end()
	p.begin("attributes")
	p.time("creationDate", at.Add(-time.Duration(p.r.between(1, 3000))*time.Second), isoSeconds)
	p.str("mfaAuthenticated", "true")
	p.end()
	p.end()
	p.end()
	p.cloudTail(at, ip, cloudAgents[0], c)
}

func (p *pen) cloudTail(at time.Time, ip, agent string, c call) {
	p.time("eventTime", at, isoSeconds)
	p.str("eventSource", c.service, ".amazonaws.com")
	p.str("eventName", c.name)
	p.str("awsRegion", "eu-central-1")
	p.str("sourceIPAddress", ip)
	p.str("userAgent", agent)
	if c.failure != "" {
		p.str("errorCode", c.failure)
		p.str("errorMessage", "User is not authorized to perform: ", c.service, ":", c.name)
	}
	p.raw("requestParameters", c.request)
	p.raw("responseElements", c.response)
	p.uuid("requestID", p.r)
	p.uuid("eventID", p.r)
	p.bool("readOnly", c.read)
	p.str("eventType", "AwsApiCall")
	p.bool("managementEvent", true)
	p.str("recipientAccountId", accountID)
	p.str("eventCategory", "Management")
	p.begin("tlsDetails")
	p.str("tlsVersion", "TLSv1.3")
	p.str("cipherSuite", "TLS_AES_128_GCM_SHA256")
	p.str("clientProvidedHostHeader", c.service, ".eu-central-1.amazonaws.com")
	p.end()
	p.end()
}
