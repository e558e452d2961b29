// Package all lists the sources. Adding one is one line here.
package all

import (
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/sources/suricata"
)

// Formats returns the formats of all sources.
func Formats() []pipeline.Format {
	return []pipeline.Format{
		suricata.Format(),
	}
}
