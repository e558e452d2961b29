package feeds

import (
	"cmp"
	"io"
	"strconv"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
)

// mispFile is an event as MISP exports it (in "Event"), as a search returns them (in
// "response"), or bare.
type mispFile struct {
	Event    *mispEvent `json:"Event"`
	Response []struct {
		Event *mispEvent `json:"Event"`
	} `json:"response"`
	mispEvent
}

type mispEvent struct {
	Info      string          `json:"info"`
	Timestamp text            `json:"timestamp"`
	Tag       []mispTag       `json:"Tag"`
	Attribute []mispAttribute `json:"Attribute"`
	Object    []struct {
		Attribute []mispAttribute `json:"Attribute"`
	} `json:"Object"`
}

type mispAttribute struct {
	Type    string    `json:"type"`
	Value   text      `json:"value"`
	UUID    string    `json:"uuid"`
	ToIDs   text      `json:"to_ids"`
	Deleted text      `json:"deleted"`
	Tag     []mispTag `json:"Tag"`
}

type mispTag struct {
	Name string `json:"name"`
}

func looksMISP(head []byte) bool {
	return hasMember(head, "Attribute", "Event") && hasMember(head, "to_ids", "info", "Orgc", "Org")
}

func readMISP(p *parser, r io.Reader) error {
	var f mispFile
	if err := decodeJSON(r, &f); err != nil {
		return err
	}
	events := []*mispEvent{&f.mispEvent, f.Event}
	for _, x := range f.Response {
		events = append(events, x.Event)
	}
	for _, e := range events {
		if e == nil {
			continue
		}
		if err := p.mispEvent(e); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) mispEvent(e *mispEvent) error {
	if s, err := strconv.ParseInt(string(e.Timestamp), 10, 64); err == nil && s > 0 {
		p.res.AsOf = max(p.res.AsOf, pipeline.Millis(s)*1000)
	}
	for i := range e.Attribute {
		if err := p.mispAttribute(e, &e.Attribute[i]); err != nil {
			return err
		}
	}
	for i := range e.Object {
		for j := range e.Object[i].Attribute {
			if err := p.mispAttribute(e, &e.Object[i].Attribute[j]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *parser) mispAttribute(e *mispEvent, a *mispAttribute) error {
	where := "attribute " + clip(a.UUID, 40)
	switch {
	case a.Deleted.yes():
		p.skip(skipRevoked, where, string(a.Value))
		return nil
	case !a.ToIDs.yes():
		p.skip(skipNotToIDs, where, string(a.Value))
		return nil
	}
	base := pipeline.Indicator{Title: e.Info, Ref: a.UUID, Confidence: mispConfidence(a.Tag)}
	base.Confidence = cmp.Or(base.Confidence, mispConfidence(e.Tag))
	for _, t := range append(a.Tag, e.Tag...) {
		base.Labels = append(base.Labels, t.Name)
	}
	found := mispValues(a.Type, string(a.Value))
	if len(found) == 0 {
		p.skip(skipType, where, a.Type)
	}
	for _, f := range found {
		if err := p.indicator(f.path, f.value, where, base); err != nil {
			return err
		}
	}
	return nil
}

// mispValues returns the kinds and values that an attribute is about. A composite type has
// the values of its parts, with | between.
func mispValues(kind, value string) []term {
	kinds, values := strings.Split(kind, "|"), strings.SplitN(value, "|", 2)
	if len(kinds) > 2 || len(kinds) != len(values) {
		return nil
	}
	var out []term
	for i, k := range kinds {
		if to := mispKinds[k]; to != "" {
			out = append(out, term{to, values[i]})
		}
	}
	return out
}

var mispKinds = map[string]string{
	"ip-src": "ip", "ip-dst": "ip", "ip": "ip", "domain": "domain", "hostname": "domain", "url": "url", "uri": "url",
	"md5": "hash", "sha1": "hash", "sha224": "hash", "sha256": "hash", "sha384": "hash", "sha512": "hash",
	"email": "mail", "email-src": "mail", "email-dst": "mail",
}

// mispLevels are the values of the taxonomy misp:confidence-level.
var mispLevels = map[string]uint8{
	"completely-confident": 100, "usually-confident": 75, "fairly-confident": 50, "rarely-confident": 25,
}

// mispConfidence is what the tags say: osint:certainty="93" or misp:confidence-level; 0 if
// nothing.
func mispConfidence(tags []mispTag) uint8 {
	for _, t := range tags {
		name, value, _ := strings.Cut(t.Name, "=")
		value = strings.Trim(value, `"`)
		switch name {
		case "osint:certainty":
			if n, err := strconv.ParseUint(value, 10, 8); err == nil && n <= 100 {
				return uint8(n)
			}
		case "misp:confidence-level":
			return mispLevels[value]
		}
	}
	return 0
}
