package feeds

import (
	"bufio"
	"bytes"
	"io"
	"regexp"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/inventory"
)

// kevList is CISA's catalog (https://www.cisa.gov/known-exploited-vulnerabilities-catalog).
type kevList struct {
	Released        string `json:"dateReleased"`
	Vulnerabilities []struct {
		ID         string `json:"cveID"`
		Name       string `json:"vulnerabilityName"`
		Added      string `json:"dateAdded"`
		Ransomware string `json:"knownRansomwareCampaignUse"`
	} `json:"vulnerabilities"`
}

var cvePattern = regexp.MustCompile(`^CVE-[0-9]{4}-[0-9]{4,}$`)

func looksKEV(head []byte) bool {
	return hasMember(head, "catalogVersion", "cveID") || bytes.HasPrefix(head, []byte("cveID,"))
}

func readKEV(p *parser, r io.Reader) error {
	in := bufio.NewReader(r)
	first, err := in.Peek(1)
	if err != nil {
		return err
	}
	if first[0] == 'c' {
		return p.kevCSV(in)
	}
	var k kevList
	if err := decodeJSON(in, &k); err != nil {
		return err
	}
	p.res.AsOf = moment(k.Released)
	for i := range k.Vulnerabilities {
		v := &k.Vulnerabilities[i]
		if err := p.exploited(v.ID, v.Name, v.Added, v.Ransomware); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) kevCSV(r io.Reader) error {
	t, err := openTable(r)
	if err != nil {
		return err
	}
	for t.next() {
		if err := p.exploited(t.get("cveid"), t.get("vulnerabilityname"), t.get("dateadded"), t.get("knownransomwarecampaignuse")); err != nil {
			return t.at(err)
		}
	}
	return t.err
}

func (p *parser) exploited(id, name, added, ransomware string) error {
	if !cvePattern.MatchString(id) {
		p.skip(skipNoID, "list", id)
		return nil
	}
	return p.add(inventory.Item{Exploited: &pipeline.Exploited{
		ID: id, Name: clip(name, 200), Added: moment(added), Ransomware: strings.EqualFold(ransomware, "Known"),
	}})
}
