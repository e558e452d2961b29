package normalise

import (
	"errors"
	"strconv"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
)

// A mapping is a YAML document:
//
//	source: zeek                  # <source> of raw.<source>
//	roots: [Event.EventData]      # every path is looked for below these too
//	also: {_path: ["@stream"]}    # other paths of the same value
//	folded: true                  # the outermost names may stand in lower case
//	absent: ["-"]                 # texts that mean "no value"; the empty text always does
//	requires: [_path]             # what every event of the source has
//	batch: Records                # a list that shows that the record is many events
//	id: [eventID]                 # the vendor's identity of an event; all or none
//	id_length: 32                 # shorter identities, all parts together, are made up
//	volatile: ["@timestamp"]      # what differs between deliveries of one event
//	time: [{path: ts, format: epoch_s}]
//	severity: {path: level, map: {high: 4}}
//	identity: true                # the vendor's paths are OCSF paths
//	fields: {src_endpoint.ip: src_ip}
//	groups: {tls: {tls.sni: server_name}}
//	entities: [{kind: ip, role: src, field: src_endpoint.ip}]
//	classes:                      # the first whose `when` holds
//	  - {name: tls, when: {_path: ssl}, class: 4001, activity: 6, use: [tls], fields: {...}, entities: [...]}
//
// A path is names joined by dots; a dot in a name is written \. and [0] is an element of a
// list. A value is a path; {const: x}; or a path with map, else, as (a function, see
// functions), arg and when; or a list of those, of which the first that has a value counts.
// A condition is a map of paths to a text, a list of texts, or "*" for any value; a text
// that ends in * is a prefix. {not: {...}} turns one around.
type document struct {
	source    string
	roots     []string
	also      []alias
	absent    []string
	requires  []string
	batch     string
	id        []string
	idLength  int
	volatile  []string
	times     []timeSpec
	severity  []valueSpec
	classFrom string
	identity  bool
	folded    bool
	fields    fieldSpecs
	groups    map[string]fieldSpecs
	entities  []entitySpec
	classes   []classSpec
}

type alias struct {
	path string
	also []string
}

type timeSpec struct {
	path   string
	format timeFormat
}

type fieldSpecs map[pipeline.Field][]valueSpec

// valueSpec is one way to get a value. Path is empty for a constant.
type valueSpec struct {
	path  string
	konst string
	enum  map[string]string
	other string // what a text that is not in enum becomes, "" = no value
	fn    function
	arg   string
	when  []condSpec
	line  int
}

type condSpec struct {
	path  string
	texts []string
	not   bool
}

type entitySpec struct {
	kind    pipeline.EntityKind
	role    string
	field   pipeline.Field
	content bool
	except  []string
}

type classSpec struct {
	name     string
	when     []condSpec
	class    pipeline.Class
	activity []valueSpec
	severity []valueSpec
	use      []string
	fields   fieldSpecs
	entities []entitySpec
}

// splitPath cuts a path at its dots and brackets: names, and numbers for elements of lists.
func splitPath(path string) ([]any, error) {
	var parts []any
	for len(path) > 0 {
		if strings.HasPrefix(path, "[") {
			end := strings.IndexByte(path, ']')
			index, err := strconv.Atoi(path[1:max(end, 1)])
			if err != nil || index < 0 || index > 15 {
				return nil, errors.New("an index is [0] to [15]")
			}
			parts = append(parts, index)
			path = strings.TrimPrefix(path[end+1:], ".")
			continue
		}
		var name strings.Builder
		for len(path) > 0 && path[0] != '.' && path[0] != '[' {
			if path[0] == '\\' && len(path) > 1 {
				path = path[1:]
			}
			name.WriteByte(path[0])
			path = path[1:]
		}
		if name.Len() == 0 {
			return nil, errors.New("an empty name")
		}
		parts = append(parts, name.String())
		path = strings.TrimPrefix(path, ".")
	}
	if len(parts) == 0 {
		return nil, errors.New("an empty path")
	}
	return parts, nil
}
