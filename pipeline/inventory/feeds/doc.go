// Package feeds reads what organisations and others write down about entities: inventories
// as CSV, STIX 2.1 bundles, MISP events, plain lists, reports of Trivy, Grype and Nessus,
// and CISA's list of known exploited vulnerabilities.
//
// Files are hostile: they are bounded in size, entries and line length, values must have a
// canonical form, and what cannot be used is counted with its reason, never guessed.
package feeds
