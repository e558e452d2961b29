package feeds

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/inventory"
)

// severityNames are the words of scanners, as OCSF severity_id.
var severityNames = map[string]uint8{
	"informational": 1, "info": 1, "none": 1, "negligible": 1, "low": 2, "medium": 3, "moderate": 3, "high": 4, "important": 4, "critical": 5,
}

func severityOf(name string) uint8 { return severityNames[strings.ToLower(strings.TrimSpace(name))] }

// asset returns the kind and the canonical value of a device, "" if the text is none.
func (p *parser) asset(text string) (kind, value string) {
	text = strings.TrimSpace(text)
	if u, err := url.Parse(text); err == nil && u.Host != "" { // what a scanner of web applications was pointed at
		text = u.Hostname()
	}
	if _, err := netip.ParseAddr(text); err == nil {
		if v, ok := p.canon.Entity(pipeline.EntityIP, text); ok {
			return "ip", v
		}
		return "", ""
	}
	if v, ok := p.canon.Entity(pipeline.EntityHost, text); ok {
		return "host", v
	}
	return "", ""
}

// finding adds a finding on a device.
func (p *parser) finding(kind, value, where string, f pipeline.Finding) error {
	f.ID = clip(f.ID, 64)
	switch {
	case kind == "":
		p.skip(skipNoAsset, where, f.ID)
		return nil
	case f.ID == "" || strings.ContainsFunc(f.ID, func(r rune) bool { return r <= ' ' || r > '~' }):
		p.skip(skipNoID, where, f.ID)
		return nil
	}
	if f.Score < 0 || f.Score > 10 {
		f.Score = 0
	}
	f.Kind, f.Value = kind, value
	f.Package, f.Fixed, f.Title = plain(f.Package, 128), clip(f.Fixed, 64), clip(f.Title, 200)
	return p.add(inventory.Item{Finding: &f})
}

// plain is clip for text that becomes part of a key.
func plain(s string, most int) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, clip(s, most))
}

// reportAsset is the device that a report of one artifact is about: what the user named,
// else what the report names if that is the name of a device.
func (p *parser) reportAsset(named string) (kind, value string, err error) {
	if p.opt.Asset != "" {
		if kind, value = p.asset(p.opt.Asset); kind == "" {
			return "", "", fmt.Errorf("asset %q: want a host name or an address", p.opt.Asset)
		}
		return kind, value, nil
	}
	if kind, value = p.asset(named); kind == "" {
		return "", "", fmt.Errorf("the report is of %.80q, which is no device: name the asset that runs it", named)
	}
	return kind, value, nil
}

type trivyReport struct {
	CreatedAt    string `json:"CreatedAt"`
	ArtifactName string `json:"ArtifactName"`
	Results      []struct {
		Vulnerabilities []struct {
			ID        string `json:"VulnerabilityID"`
			Package   string `json:"PkgName"`
			Installed string `json:"InstalledVersion"`
			Fixed     string `json:"FixedVersion"`
			Title     string `json:"Title"`
			Severity  string `json:"Severity"`
			CVSS      map[string]struct {
				V3 float64 `json:"V3Score"`
				V2 float64 `json:"V2Score"`
			} `json:"CVSS"`
		} `json:"Vulnerabilities"`
	} `json:"Results"`
}

func looksTrivy(head []byte) bool { return hasMember(head, "ArtifactName", "ArtifactType") }

func readTrivy(p *parser, r io.Reader) error {
	var t trivyReport
	if err := decodeJSON(r, &t); err != nil {
		return err
	}
	p.res.AsOf = moment(t.CreatedAt)
	kind, value, err := p.reportAsset(t.ArtifactName)
	if err != nil {
		return err
	}
	for i := range t.Results {
		for j := range t.Results[i].Vulnerabilities {
			v := &t.Results[i].Vulnerabilities[j]
			f := pipeline.Finding{
				ID: v.ID, Severity: severityOf(v.Severity), Package: strings.TrimSpace(v.Package + " " + v.Installed), Fixed: v.Fixed, Title: v.Title,
			}
			for _, s := range v.CVSS {
				f.Score = max(f.Score, cmp.Or(s.V3, s.V2))
			}
			if err := p.finding(kind, value, fmt.Sprintf("result %d, vulnerability %d", i+1, j+1), f); err != nil {
				return err
			}
		}
	}
	return nil
}

type grypeReport struct {
	Matches []struct {
		Vulnerability struct {
			ID          string `json:"id"`
			Severity    string `json:"severity"`
			Description string `json:"description"`
			CVSS        []struct {
				Metrics struct {
					Base float64 `json:"baseScore"`
				} `json:"metrics"`
			} `json:"cvss"`
			Fix struct {
				Versions []string `json:"versions"`
			} `json:"fix"`
		} `json:"vulnerability"`
		Related []struct {
			ID string `json:"id"`
		} `json:"relatedVulnerabilities"`
		Artifact struct {
			Name    string `json:"name"`
			Version string `json:"version"`
		} `json:"artifact"`
	} `json:"matches"`
	Source struct {
		Target text `json:"target"` // an object for images, which is then no device
	} `json:"source"`
	Descriptor struct {
		Timestamp string `json:"timestamp"`
	} `json:"descriptor"`
}

func looksGrype(head []byte) bool {
	return hasMember(head, "matches") && hasMember(head, "matchDetails", "artifact", "vulnerability")
}

func readGrype(p *parser, r io.Reader) error {
	var g grypeReport
	if err := decodeJSON(r, &g); err != nil {
		return err
	}
	p.res.AsOf = moment(g.Descriptor.Timestamp)
	kind, value, err := p.reportAsset(string(g.Source.Target))
	if err != nil {
		return err
	}
	for i := range g.Matches {
		m := &g.Matches[i]
		f := pipeline.Finding{
			ID: m.Vulnerability.ID, Severity: severityOf(m.Vulnerability.Severity), Title: m.Vulnerability.Description,
			Package: strings.TrimSpace(m.Artifact.Name + " " + m.Artifact.Version), Fixed: strings.Join(m.Vulnerability.Fix.Versions, ", "),
		}
		for _, rel := range m.Related {
			// An advisory of a distribution or a forge stands for the CVE that others know.
			if strings.HasPrefix(rel.ID, "CVE-") && !strings.HasPrefix(f.ID, "CVE-") {
				f.ID = rel.ID
			}
		}
		for _, c := range m.Vulnerability.CVSS {
			f.Score = max(f.Score, c.Metrics.Base)
		}
		if err := p.finding(kind, value, fmt.Sprintf("match %d", i+1), f); err != nil {
			return err
		}
	}
	return nil
}
