package normalise

import (
	"fmt"
	"maps"
	"slices"

	"github.com/riposte-sec/riposte/internal/config"
)

func keysOf[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// didYouMean returns `; did you mean "x"?` for the nearest of names, "" if none is near.
func didYouMean(got string, names []string) string {
	best, least := "", max(3, len(got)/3)
	for _, name := range names {
		if d := config.Distance(got, name); d < least {
			best, least = name, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}
