package feeds

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/riposte-sec/riposte/pipeline/inventory"
)

// fuzz feeds texts to one format. Whatever comes in, entries must survive the way over their
// topic: the builder takes back what the plan says.
func fuzz(f *testing.F, format string, seeds ...string) {
	f.Helper()
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		res, err := Read("fuzz", bytes.NewReader(data), Options{Format: format, Asset: "a.example", MaxBytes: 1 << 20, MaxEntries: 1000})
		if err != nil {
			return
		}
		b := inventory.NewBuilder()
		plan, err := b.Plan(inventory.Load{Tenant: "t", Source: "fuzz", Format: format, AsOf: 1}, res.Items)
		if err != nil {
			t.Fatal(err)
		}
		if err := plan.Records(b.Apply); err != nil {
			t.Fatal(err)
		}
		again, err := b.Plan(inventory.Load{Tenant: "t", Source: "fuzz", Format: format, AsOf: 1}, res.Items)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range again.Loads {
			if l.Added+l.Changed+l.Removed != 0 {
				t.Fatalf("the same file again changes something: %+v", l)
			}
		}
	})
}

// beginning returns the first entries of a file of this package's testdata.
func beginning(f *testing.F, name string) string {
	f.Helper()
	p, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		f.Fatal(err)
	}
	return string(p)
}

func FuzzList(f *testing.F) {
	fuzz(f, "list", "198.51.100.7\n203.0.113.0/25\nevil.example\n", "hxxp://evil[.]example/x\nd41d8cd98f00b204e9800998ecf8427e # x", "0.0.0.0 ads.example\nx@y.example")
}

func FuzzCSV(f *testing.F) {
	fuzz(f, "csv", "host,ip,criticality\na.example,10.0.0.1,high\n", "user;mail;privileged\nanna;a@b.example;yes\n", "network,class\n10.0.0.0/8,x\n")
}

func FuzzSTIX(f *testing.F) {
	fuzz(f, "stix", beginning(f, "stix.json"), `{"type":"indicator","pattern":"[ipv4-addr:value IN ('198.51.100.1','198.51.100.2')]"}`)
}

func FuzzSTIXPattern(f *testing.F) {
	f.Add("[ipv4-addr:value = '198.51.100.1' OR domain-name:value IN ('a.example', 'b.example')] OR [file:hashes.'SHA-256' = 'x\\'y']")
	f.Fuzz(func(t *testing.T, s string) {
		terms, ok := stixPattern(s)
		if ok && (len(terms) == 0 || s[0] > ' ' && s[0] != '[') {
			t.Errorf("%q has no term", s)
		}
	})
}

func FuzzMISP(f *testing.F)  { fuzz(f, "misp", beginning(f, "misp.json")) }
func FuzzTrivy(f *testing.F) { fuzz(f, "trivy", beginning(f, "trivy.json")) }
func FuzzGrype(f *testing.F) { fuzz(f, "grype", beginning(f, "grype.json")) }
func FuzzKEV(f *testing.F) {
	fuzz(f, "kev", beginning(f, "kev.json"), "cveID,dateAdded\nCVE-2021-44228,2021-12-10\n")
}

func FuzzNessus(f *testing.F) {
	fuzz(f, "nessus", beginning(f, "scan.nessus"), "Plugin ID,CVE,Risk,Host,Port,Name\n1,CVE-2017-0144,High,10.0.0.1,445,x\n")
}

// TestFileThatGrowsWhileItIsReadIsBounded: the reader, not the size on the disk, counts.
func TestFileThatGrowsWhileItIsReadIsBounded(t *testing.T) {
	t.Parallel()
	endless := io.MultiReader(bytes.NewReader([]byte("198.51.100.1\n")), &repeat{[]byte("198.51.100.2\n")})
	_, err := Read("endless", endless, Options{MaxBytes: 1 << 20})
	if err == nil || errors.Is(err, io.EOF) {
		t.Errorf("got %v, want a complaint about the size", err)
	}
}

type repeat struct{ p []byte }

func (r *repeat) Read(p []byte) (int, error) { return copy(p, r.p), nil }

// TestValuesOfItemsAreJSON guards the way over the topics.
func TestValuesOfItemsAreJSON(t *testing.T) {
	t.Parallel()
	res, err := Read("x", bytes.NewReader([]byte("host,owner\na.example,\"J\u00f6rg \xff\"\n")), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range res.Items {
		p, err := json.Marshal(&res.Items[i])
		if err != nil || !json.Valid(p) {
			t.Errorf("%s: %v", p, err)
		}
	}
}
