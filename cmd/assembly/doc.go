// Package assembly puts the stages together: which topics there are, which links a stage
// is a chain of, which policies and connectors it gets. It is the one place that knows all
// parts; everything in it is construction, nothing is decided here.
package assembly
