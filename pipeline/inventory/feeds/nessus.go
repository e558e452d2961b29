package feeds

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

func looksNessus(head []byte) bool {
	if bytes.Contains(head, []byte("<NessusClientData")) {
		return true
	}
	first, _, _ := strings.Cut(string(head), "\n")
	columns := headOf(first)
	return slices.Contains(columns, "pluginid") && slices.Contains(columns, "host") ||
		slices.Contains(columns, "plugin") && slices.Contains(columns, "pluginname")
}

// nessusItem is one finding of a .nessus file (version 2).
type nessusItem struct {
	Plugin   string   `xml:"pluginID,attr"`
	Name     string   `xml:"pluginName,attr"`
	Severity string   `xml:"severity,attr"` // 0 to 4
	Port     string   `xml:"port,attr"`
	CVE      []string `xml:"cve"`
	CVSS3    string   `xml:"cvss3_base_score"`
	CVSS2    string   `xml:"cvss_base_score"`
}

type nessusProperties struct {
	Tags []struct {
		Name  string `xml:"name,attr"`
		Value string `xml:",chardata"`
	} `xml:"tag"`
}

func readNessus(p *parser, r io.Reader) error {
	in := bufio.NewReader(r)
	first, err := in.Peek(1)
	if err != nil {
		return err
	}
	if first[0] != '<' {
		return p.nessusCSV(in)
	}
	return p.nessusXML(in)
}

// nessusXML reads a report element by element. encoding/xml knows no entities but the five
// of XML and resolves nothing outside the document.
func (p *parser) nessusXML(r io.Reader) error {
	d := xml.NewDecoder(r)
	var kind, value string
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err // it names the line
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		line, _ := d.InputPos()
		switch start.Name.Local {
		case "ReportHost":
			kind, value = p.asset(attribute(start, "name"))
		case "HostProperties":
			var props nessusProperties
			if err := d.DecodeElement(&props, &start); err != nil {
				return fmt.Errorf("line %d: %w", line, err)
			}
			if k, v := p.nessusHost(props); k != "" {
				kind, value = k, v
			}
		case "ReportItem":
			var item nessusItem
			if err := d.DecodeElement(&item, &start); err != nil {
				return fmt.Errorf("line %d: %w", line, err)
			}
			if err := p.nessusItem(kind, value, fmt.Sprintf("line %d", line), &item); err != nil {
				return err
			}
		}
	}
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// nessusHost returns the device that the properties name: its name before its address.
func (p *parser) nessusHost(props nessusProperties) (kind, value string) {
	for _, t := range props.Tags {
		if at, err := time.Parse(time.ANSIC, t.Value); err == nil && t.Name == "HOST_END" && at.UnixMilli() > 0 {
			p.res.AsOf = max(p.res.AsOf, pipeline.MillisOf(at))
		}
	}
	for _, name := range []string{"host-fqdn", "hostname", "netbios-name", "host-ip"} {
		for _, t := range props.Tags {
			if t.Name == name {
				if kind, value = p.asset(t.Value); kind != "" {
					return kind, value
				}
			}
		}
	}
	return "", ""
}

func (p *parser) nessusItem(kind, value, where string, item *nessusItem) error {
	n, err := strconv.ParseUint(item.Severity, 10, 8)
	if err != nil || n == 0 || n > 4 { // what has no severity is as good as informational
		p.skip("informational", where, item.Name)
		return nil //nolint:nilerr // it is counted
	}
	return p.nessusFinding(kind, value, where, item, uint8(n)+1)
}

// nessusFinding adds a finding for each CVE of a plugin, or one for the plugin.
func (p *parser) nessusFinding(kind, value, where string, item *nessusItem, severity uint8) error {
	f := pipeline.Finding{Severity: severity, Title: item.Name}
	if item.Port != "" && item.Port != "0" {
		f.Package = "port " + item.Port
	}
	for _, s := range []string{item.CVSS3, item.CVSS2} {
		if score, err := strconv.ParseFloat(s, 64); err == nil && f.Score == 0 {
			f.Score = score
		}
	}
	ids := item.CVE
	if len(ids) == 0 {
		ids = []string{"nessus-" + item.Plugin}
	}
	for _, id := range ids {
		f.ID = strings.TrimSpace(id)
		if err := p.finding(kind, value, where, f); err != nil {
			return err
		}
	}
	return nil
}

// nessusCSV reads the exports of Nessus and of Tenable Security Center.
func (p *parser) nessusCSV(r io.Reader) error {
	t, err := openTable(r)
	if err != nil {
		return err
	}
	for t.next() {
		severity := severityOf(t.get("severity", "risk", "riskfactor"))
		if severity <= 1 {
			p.skip("informational", t.where(), t.get("pluginname", "name"))
			continue
		}
		item := nessusItem{
			Plugin: t.get("pluginid", "plugin"), Name: t.get("pluginname", "name"), Port: t.get("port"),
			CVE: t.list("cve"), CVSS3: t.get("cvssv3basescore", "cvssv3.0basescore"), CVSS2: t.get("cvssv2basescore", "cvssv2.0basescore", "cvss"),
		}
		kind, value := p.asset(t.get("dnsname", "host", "ipaddress"))
		if kind == "" {
			kind, value = p.asset(t.get("ipaddress", "host"))
		}
		if err := p.nessusFinding(kind, value, t.where(), &item, severity); err != nil {
			return t.at(err)
		}
	}
	return t.err
}
