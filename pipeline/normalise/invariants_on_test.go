//go:build invariants

package normalise_test

const invariantsEnabled = true
