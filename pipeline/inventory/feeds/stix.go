package feeds

import (
	"io"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
)

type stixBundle struct {
	Type    string       `json:"type"`
	Objects []stixObject `json:"objects"`
	stixObject
}

// stixObject has what is read of an object of any type.
type stixObject struct {
	Kind        string   `json:"type"`
	ID          string   `json:"id"`
	Modified    string   `json:"modified"`
	Name        string   `json:"name"`
	Pattern     string   `json:"pattern"`
	PatternType string   `json:"pattern_type"`
	ValidFrom   string   `json:"valid_from"`
	ValidUntil  string   `json:"valid_until"`
	Confidence  *float64 `json:"confidence"`
	Revoked     bool     `json:"revoked"`
	Types       []string `json:"indicator_types"`
	Labels      []string `json:"labels"`
}

func looksSTIX(head []byte) bool {
	return hasMember(head, "bundle", "pattern_type", "spec_version") && hasMember(head, "objects", "pattern", "spec_version")
}

// readSTIX reads a bundle, or a single object. Of its objects, indicators are used.
func readSTIX(p *parser, r io.Reader) error {
	var b stixBundle
	if err := decodeJSON(r, &b); err != nil {
		return err
	}
	if b.Type != "bundle" {
		b.Kind = b.Type
		b.Objects = append(b.Objects, b.stixObject)
	}
	for i := range b.Objects {
		if err := p.stixIndicator(&b.Objects[i]); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) stixIndicator(o *stixObject) error {
	p.res.AsOf = max(p.res.AsOf, moment(o.Modified))
	switch {
	case o.Kind != "indicator":
		p.res.Skipped["no_indicator"]++ // most of a bundle: not worth a note
		return nil
	case o.Revoked:
		p.skip(skipRevoked, clip(o.ID, 80), o.Pattern)
		return nil
	case o.PatternType != "" && o.PatternType != "stix":
		p.skip(skipPattern, clip(o.ID, 80), "pattern of type "+o.PatternType)
		return nil
	}
	terms, ok := stixPattern(o.Pattern)
	if !ok {
		p.skip(skipPattern, clip(o.ID, 80), o.Pattern)
		return nil
	}
	base := pipeline.Indicator{
		Title: o.Name, Ref: o.ID, ValidFrom: moment(o.ValidFrom), ValidUntil: moment(o.ValidUntil), Labels: append(o.Types, o.Labels...),
	}
	if c := o.Confidence; c != nil && *c >= 1 && *c <= 100 {
		base.Confidence = uint8(*c)
	}
	for _, t := range terms {
		kind := stixKind(t.path, t.value)
		if kind == "" {
			p.skip(skipType, clip(o.ID, 80), t.path)
			continue
		}
		if err := p.indicator(kind, t.value, clip(o.ID, 80), base); err != nil {
			return err
		}
	}
	return nil
}

// stixKind is the kind of indicator that a comparison with an object path makes, "" if none.
func stixKind(path, value string) string {
	path = strings.ToLower(strings.NewReplacer("'", "", " ", "").Replace(path))
	switch path {
	case "ipv4-addr:value", "ipv6-addr:value":
		return "ip"
	case "domain-name:value":
		return "domain"
	case "url:value":
		return "url"
	case "email-addr:value", "email-message:from_ref.value", "email-message:sender_ref.value":
		return "mail"
	case "network-traffic:dst_ref.value", "network-traffic:src_ref.value":
		if k := kindOf(value); k == "ip" || k == "domain" {
			return k
		}
	}
	if hash, ok := strings.CutPrefix(path, "file:hashes."); ok {
		switch strings.ReplaceAll(hash, "-", "") {
		case "md5", "sha1", "sha224", "sha256", "sha384", "sha512":
			return "hash"
		}
	}
	return ""
}
