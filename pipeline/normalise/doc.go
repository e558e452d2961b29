// Package normalise is the first stage of ingest: it turns the bytes of raw.<source> into
// events with OCSF names.
//
// What a vendor's field means is data: a mapping, one YAML document per source (see
// mapping.go for its grammar and sources/suricata/mapping.yaml for an example). New
// compiles the mappings into plans. A plan is applied in one pass over the record: the
// scanner checks the JSON grammar and the limits of the whole object and remembers, on its
// way, where the values lie that the mapping reads. Nothing is decoded that is not asked
// for, strings stay views into the record, and nothing is allocated per event.
//
// The vendor's object is never changed, with two exceptions that are flagged on the event:
// bytes that are no UTF-8 (and escapes of lone surrogates) become U+FFFD, and strings
// beyond MaxString are cut.
package normalise
