package pipeline

// fieldKinds holds the fields that are no strings.
var fieldKinds = [fieldCount]Kind{
	FieldActorProcessPID:         KindInt,
	FieldAnswers:                 KindList,
	FieldAuthProtocolID:          KindInt,
	FieldDispositionID:           KindInt,
	FieldDstEndpointPort:         KindInt,
	FieldDuration:                KindInt,
	FieldEmailSize:               KindInt,
	FieldEmailTo:                 KindList,
	FieldFileSize:                KindInt,
	FieldFindingInfoTypes:        KindList,
	FieldHTTPResponseCode:        KindInt,
	FieldHTTPResponseLength:      KindInt,
	FieldIsMFA:                   KindBool,
	FieldIsRemote:                KindBool,
	FieldLogonTypeID:             KindInt,
	FieldPrivileges:              KindList,
	FieldProcessParentProcessPID: KindInt,
	FieldProcessPID:              KindInt,
	FieldSessionIsMFA:            KindBool,
	FieldSrcEndpointASNumber:     KindInt,
	FieldSrcEndpointPort:         KindInt,
	FieldStatusID:                KindInt,
	FieldTrafficBytesIn:          KindInt,
	FieldTrafficBytesOut:         KindInt,
	FieldTrafficPacketsIn:        KindInt,
	FieldTrafficPacketsOut:       KindInt,
}

// Kind returns the kind that every value of the field has: KindString, KindInt, KindBool
// or KindList. Durations are milliseconds, sizes bytes.
func (f Field) Kind() Kind {
	if f == FieldNone || f >= fieldCount {
		return KindNone
	}
	if k := fieldKinds[f]; k != KindNone {
		return k
	}
	return KindString
}
