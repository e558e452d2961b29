//go:build !race

package normalise_test

const raceEnabled = false
