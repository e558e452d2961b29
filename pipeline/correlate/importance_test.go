package correlate

import "testing"

func TestImportanceOfTheEntityWeighsItsSignals(t *testing.T) {
	t.Parallel()
	f := func(criticality, privileged string, want float64) {
		t.Helper()
		if got := importance(map[string]string{fieldCriticality: criticality, fieldPrivileged: privileged}); got != want {
			t.Errorf("%q %q: %g, want %g", criticality, privileged, got, want)
		}
	}
	f("", "", 1)
	f("medium", "", 1)
	f("unheard-of", "maybe", 1)
	f("low", "", 0.75)
	f("high", "", 1.5)
	f("crown", "", 2)
	f("crown", "true", 3)
}
