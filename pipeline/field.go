package pipeline

// Field is an interned path of a normalised attribute: the OCSF 1.8 path without its
// class prefix, such as src_endpoint.ip. The list is closed: a mapping or a rule that
// names another path is refused when it is loaded. Values are ordered as their names are,
// byte by byte, so that attributes sorted by Field have the members of one object side by
// side. Numbers may change between releases and are never written anywhere.
type Field uint16

// The fields. Zero is no field.
const (
	FieldNone Field = iota
	FieldActivityName
	FieldActorProcessCmdLine
	FieldActorProcessFilePath
	FieldActorProcessName
	FieldActorProcessPID
	FieldActorSessionUID
	FieldActorUserDomain
	FieldActorUserEmailAddr
	FieldActorUserName
	FieldActorUserType
	FieldActorUserUID
	FieldActorUserUIDAlt
	FieldAnswers
	FieldAPIOperation
	FieldAPIResponseError
	FieldAPIResponseMessage
	FieldAPIServiceName
	FieldAppName
	FieldAuthProtocol
	FieldAuthProtocolID
	FieldCloudAccountUID
	FieldCloudProvider
	FieldCloudRegion
	FieldConnectionInfoDirection
	FieldConnectionInfoProtocolName
	FieldConnectionInfoUID
	FieldDeviceHostname
	FieldDeviceIP
	FieldDeviceMAC
	FieldDeviceOSName
	FieldDeviceUID
	FieldDisposition
	FieldDispositionID
	FieldDriverFilePath
	FieldDstEndpointDomain
	FieldDstEndpointHostname
	FieldDstEndpointIP
	FieldDstEndpointMAC
	FieldDstEndpointPort
	FieldDuration
	FieldEmailFrom
	FieldEmailMessageUID
	FieldEmailSize
	FieldEmailSubject
	FieldEmailTo
	FieldEmailXOriginatingIP
	FieldFileHashesMD5
	FieldFileHashesSHA1
	FieldFileHashesSHA256
	FieldFileName
	FieldFilePath
	FieldFileSignatureCertificateIssuer
	FieldFileSize
	FieldFileType
	FieldFindingInfoTitle
	FieldFindingInfoTypes
	FieldFindingInfoUID
	FieldHTTPRequestHTTPMethod
	FieldHTTPRequestReferrer
	FieldHTTPRequestURLHostname
	FieldHTTPRequestURLPath
	FieldHTTPRequestURLURLString
	FieldHTTPRequestUserAgent
	FieldHTTPResponseCode
	FieldHTTPResponseLength
	FieldIsMFA
	FieldIsRemote
	FieldJobName
	FieldLogonProcessName
	FieldLogonType
	FieldLogonTypeID
	FieldMessage
	FieldMetadataCorrelationUID
	FieldMetadataEventCode
	FieldMetadataOriginalEventUID
	FieldMetadataProductFeatureName
	FieldMetadataProductName
	FieldMetadataProductVendorName
	FieldMetadataProductVersion
	FieldModuleFileHashesSHA256
	FieldModuleFilePath
	FieldModuleFileSignatureStatus
	FieldPolicyName
	FieldPolicyUID
	FieldPrivileges
	FieldProcessCmdLine
	FieldProcessFileHashesMD5
	FieldProcessFileHashesSHA256
	FieldProcessFileInternalName
	FieldProcessFilePath
	FieldProcessIntegrity
	FieldProcessName
	FieldProcessParentProcessCmdLine
	FieldProcessParentProcessFilePath
	FieldProcessParentProcessName
	FieldProcessParentProcessPID
	FieldProcessParentProcessUID
	FieldProcessPID
	FieldProcessUID
	FieldProcessUserName
	FieldQueryHostname
	FieldQueryType
	FieldRcode
	FieldRegKeyPath
	FieldRegValueData
	FieldRegValueName
	FieldResourceName
	FieldResourceOwner
	FieldResourceType
	FieldResourceUID
	FieldScriptContent
	FieldServiceName
	FieldSessionIsMFA
	FieldSessionUID
	FieldShare
	FieldShareType
	FieldSrcEndpointASNumber
	FieldSrcEndpointDomain
	FieldSrcEndpointHostname
	FieldSrcEndpointIP
	FieldSrcEndpointLocationCity
	FieldSrcEndpointLocationCountry
	FieldSrcEndpointMAC
	FieldSrcEndpointPort
	FieldStatus
	FieldStatusCode
	FieldStatusDetail
	FieldStatusID
	FieldTLSCertificateFingerprint
	FieldTLSCertificateIssuer
	FieldTLSCertificateSubject
	FieldTLSCipher
	FieldTLSJA3Hash
	FieldTLSJA3SHash
	FieldTLSSNI
	FieldTLSVersion
	FieldTrafficBytesIn
	FieldTrafficBytesOut
	FieldTrafficPacketsIn
	FieldTrafficPacketsOut
	FieldUserDomain
	FieldUserEmailAddr
	FieldUserName
	FieldUserType
	FieldUserUID
	FieldUserUIDAlt
	FieldWinResourceName
	fieldCount
)

// fieldNames is in the order of the constants above.
var fieldNames = [fieldCount]string{
	FieldNone:                           "",
	FieldActivityName:                   "activity_name",
	FieldActorProcessCmdLine:            "actor.process.cmd_line",
	FieldActorProcessFilePath:           "actor.process.file.path",
	FieldActorProcessName:               "actor.process.name",
	FieldActorProcessPID:                "actor.process.pid",
	FieldActorSessionUID:                "actor.session.uid",
	FieldActorUserDomain:                "actor.user.domain",
	FieldActorUserEmailAddr:             "actor.user.email_addr",
	FieldActorUserName:                  "actor.user.name",
	FieldActorUserType:                  "actor.user.type",
	FieldActorUserUID:                   "actor.user.uid",
	FieldActorUserUIDAlt:                "actor.user.uid_alt",
	FieldAnswers:                        "answers",
	FieldAPIOperation:                   "api.operation",
	FieldAPIResponseError:               "api.response.error",
	FieldAPIResponseMessage:             "api.response.message",
	FieldAPIServiceName:                 "api.service.name",
	FieldAppName:                        "app_name",
	FieldAuthProtocol:                   "auth_protocol",
	FieldAuthProtocolID:                 "auth_protocol_id",
	FieldCloudAccountUID:                "cloud.account.uid",
	FieldCloudProvider:                  "cloud.provider",
	FieldCloudRegion:                    "cloud.region",
	FieldConnectionInfoDirection:        "connection_info.direction",
	FieldConnectionInfoProtocolName:     "connection_info.protocol_name",
	FieldConnectionInfoUID:              "connection_info.uid",
	FieldDeviceHostname:                 "device.hostname",
	FieldDeviceIP:                       "device.ip",
	FieldDeviceMAC:                      "device.mac",
	FieldDeviceOSName:                   "device.os.name",
	FieldDeviceUID:                      "device.uid",
	FieldDisposition:                    "disposition",
	FieldDispositionID:                  "disposition_id",
	FieldDriverFilePath:                 "driver.file.path",
	FieldDstEndpointDomain:              "dst_endpoint.domain",
	FieldDstEndpointHostname:            "dst_endpoint.hostname",
	FieldDstEndpointIP:                  "dst_endpoint.ip",
	FieldDstEndpointMAC:                 "dst_endpoint.mac",
	FieldDstEndpointPort:                "dst_endpoint.port",
	FieldDuration:                       "duration",
	FieldEmailFrom:                      "email.from",
	FieldEmailMessageUID:                "email.message_uid",
	FieldEmailSize:                      "email.size",
	FieldEmailSubject:                   "email.subject",
	FieldEmailTo:                        "email.to",
	FieldEmailXOriginatingIP:            "email.x_originating_ip",
	FieldFileHashesMD5:                  "file.hashes.md5",
	FieldFileHashesSHA1:                 "file.hashes.sha1",
	FieldFileHashesSHA256:               "file.hashes.sha256",
	FieldFileName:                       "file.name",
	FieldFilePath:                       "file.path",
	FieldFileSignatureCertificateIssuer: "file.signature.certificate.issuer",
	FieldFileSize:                       "file.size",
	FieldFileType:                       "file.type",
	FieldFindingInfoTitle:               "finding_info.title",
	FieldFindingInfoTypes:               "finding_info.types",
	FieldFindingInfoUID:                 "finding_info.uid",
	FieldHTTPRequestHTTPMethod:          "http_request.http_method",
	FieldHTTPRequestReferrer:            "http_request.referrer",
	FieldHTTPRequestURLHostname:         "http_request.url.hostname",
	FieldHTTPRequestURLPath:             "http_request.url.path",
	FieldHTTPRequestURLURLString:        "http_request.url.url_string",
	FieldHTTPRequestUserAgent:           "http_request.user_agent",
	FieldHTTPResponseCode:               "http_response.code",
	FieldHTTPResponseLength:             "http_response.length",
	FieldIsMFA:                          "is_mfa",
	FieldIsRemote:                       "is_remote",
	FieldJobName:                        "job.name",
	FieldLogonProcessName:               "logon_process.name",
	FieldLogonType:                      "logon_type",
	FieldLogonTypeID:                    "logon_type_id",
	FieldMessage:                        "message",
	FieldMetadataCorrelationUID:         "metadata.correlation_uid",
	FieldMetadataEventCode:              "metadata.event_code",
	FieldMetadataOriginalEventUID:       "metadata.original_event_uid",
	FieldMetadataProductFeatureName:     "metadata.product.feature.name",
	FieldMetadataProductName:            "metadata.product.name",
	FieldMetadataProductVendorName:      "metadata.product.vendor_name",
	FieldMetadataProductVersion:         "metadata.product.version",
	FieldModuleFileHashesSHA256:         "module.file.hashes.sha256",
	FieldModuleFilePath:                 "module.file.path",
	FieldModuleFileSignatureStatus:      "module.file.signature.status",
	FieldPolicyName:                     "policy.name",
	FieldPolicyUID:                      "policy.uid",
	FieldPrivileges:                     "privileges",
	FieldProcessCmdLine:                 "process.cmd_line",
	FieldProcessFileHashesMD5:           "process.file.hashes.md5",
	FieldProcessFileHashesSHA256:        "process.file.hashes.sha256",
	FieldProcessFileInternalName:        "process.file.internal_name",
	FieldProcessFilePath:                "process.file.path",
	FieldProcessIntegrity:               "process.integrity",
	FieldProcessName:                    "process.name",
	FieldProcessParentProcessCmdLine:    "process.parent_process.cmd_line",
	FieldProcessParentProcessFilePath:   "process.parent_process.file.path",
	FieldProcessParentProcessName:       "process.parent_process.name",
	FieldProcessParentProcessPID:        "process.parent_process.pid",
	FieldProcessParentProcessUID:        "process.parent_process.uid",
	FieldProcessPID:                     "process.pid",
	FieldProcessUID:                     "process.uid",
	FieldProcessUserName:                "process.user.name",
	FieldQueryHostname:                  "query.hostname",
	FieldQueryType:                      "query.type",
	FieldRcode:                          "rcode",
	FieldRegKeyPath:                     "reg_key.path",
	FieldRegValueData:                   "reg_value.data",
	FieldRegValueName:                   "reg_value.name",
	FieldResourceName:                   "resource.name",
	FieldResourceOwner:                  "resource.owner",
	FieldResourceType:                   "resource.type",
	FieldResourceUID:                    "resource.uid",
	FieldScriptContent:                  "script.content",
	FieldServiceName:                    "service.name",
	FieldSessionIsMFA:                   "session.is_mfa",
	FieldSessionUID:                     "session.uid",
	FieldShare:                          "share",
	FieldShareType:                      "share_type",
	FieldSrcEndpointASNumber:            "src_endpoint.as.number",
	FieldSrcEndpointDomain:              "src_endpoint.domain",
	FieldSrcEndpointHostname:            "src_endpoint.hostname",
	FieldSrcEndpointIP:                  "src_endpoint.ip",
	FieldSrcEndpointLocationCity:        "src_endpoint.location.city",
	FieldSrcEndpointLocationCountry:     "src_endpoint.location.country",
	FieldSrcEndpointMAC:                 "src_endpoint.mac",
	FieldSrcEndpointPort:                "src_endpoint.port",
	FieldStatus:                         "status",
	FieldStatusCode:                     "status_code",
	FieldStatusDetail:                   "status_detail",
	FieldStatusID:                       "status_id",
	FieldTLSCertificateFingerprint:      "tls.certificate.fingerprint",
	FieldTLSCertificateIssuer:           "tls.certificate.issuer",
	FieldTLSCertificateSubject:          "tls.certificate.subject",
	FieldTLSCipher:                      "tls.cipher",
	FieldTLSJA3Hash:                     "tls.ja3_hash",
	FieldTLSJA3SHash:                    "tls.ja3s_hash",
	FieldTLSSNI:                         "tls.sni",
	FieldTLSVersion:                     "tls.version",
	FieldTrafficBytesIn:                 "traffic.bytes_in",
	FieldTrafficBytesOut:                "traffic.bytes_out",
	FieldTrafficPacketsIn:               "traffic.packets_in",
	FieldTrafficPacketsOut:              "traffic.packets_out",
	FieldUserDomain:                     "user.domain",
	FieldUserEmailAddr:                  "user.email_addr",
	FieldUserName:                       "user.name",
	FieldUserType:                       "user.type",
	FieldUserUID:                        "user.uid",
	FieldUserUIDAlt:                     "user.uid_alt",
	FieldWinResourceName:                "win_resource.name",
}

// String returns the OCSF path.
func (f Field) String() string {
	if f >= fieldCount {
		return "?"
	}
	return fieldNames[f]
}

// FieldOf returns the field with that path, and whether there is one.
func FieldOf(path string) (Field, bool) {
	f, ok := fieldByName[path]
	return f, ok
}

// FieldCount is the number of fields, FieldNone included: the size of a table by Field.
const FieldCount = int(fieldCount)

var fieldByName = func() map[string]Field {
	m := make(map[string]Field, fieldCount)
	for f := FieldNone + 1; f < fieldCount; f++ {
		m[fieldNames[f]] = f
	}
	return m
}()
