package pipeline

// Hunt asks what was recorded of some values, which events were not held against when they
// were live.
type Hunt struct {
	Tenant string
	// Values are canonical addresses, domains, URLs, hashes and mail addresses; Networks are
	// prefixes of which every address counts. A domain also means the names below it.
	Values, Domains, Networks []string
	// Rules are the detections whose signals show that an event was noticed already.
	Rules       []string
	From, Until Millis // event time
}

// Sighting is what recorded events of a Hunt have in common: the value, and the device or
// account that they happened to.
type Sighting struct {
	Value    string
	Victim   EntityValue
	Entities []EntityValue // further ones
	Sources  []string      // sorted
	Events   uint32
	First    Millis // event time
	Last     Millis // event time
	Event    ID     // the newest event
	Ingested Millis // when that was appended to its raw topic
	Demo     bool
}
