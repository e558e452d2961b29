// Package inventory holds what an organisation knows: assets, identities, vulnerabilities
// and indicators of attackers, the values of the context topics.
//
// A Builder is told the records of the topics and makes one immutable [Tables] after the
// other, a revision each, which stages look things up in. An Item is an entry on its way to
// a topic; a Load works out which records bring a source from what the topics hold to what
// it says now. The parsers of files are in inventory/feeds.
package inventory
