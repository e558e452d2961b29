// Package all lists the sources. Adding one is one line here.
package all

import (
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/sources/cloudtrail"
	"github.com/riposte-sec/riposte/sources/ocsf"
	"github.com/riposte-sec/riposte/sources/okta"
	"github.com/riposte-sec/riposte/sources/suricata"
	"github.com/riposte-sec/riposte/sources/windows"
	"github.com/riposte-sec/riposte/sources/zeek"
)

// Formats returns the formats of all sources.
func Formats() []pipeline.Format {
	return []pipeline.Format{
		cloudtrail.Format(),
		ocsf.Format(),
		okta.Format(),
		suricata.Format(),
		windows.Format(),
		zeek.Format(),
	}
}
