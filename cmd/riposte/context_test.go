package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// TestContextIsLoadedShownAndTakenBack walks through the commands as a user does.
func TestContextIsLoadedShownAndTakenBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := filepath.Join(dir, "riposte.yaml")
	writeFile(t, config, ownKafka(t))
	assets, list := filepath.Join(dir, "assets.csv"), filepath.Join(dir, "bad.txt")
	writeFile(t, assets, "host,ip,criticality,class\ndc-01.corp.example,10.20.1.1,crown,domain_controller\nws-1.corp.example,10.20.100.1,low,workstation\n")
	writeFile(t, list, "203.0.113.17\n203.0.113.0/28\n10.0.0.1\n")
	f := func(args string, code exitCode, says ...string) result {
		t.Helper()
		got := invoke(t, append([]string{"context", "--config", config}, strings.Fields(args)...)...)
		if got.code != code {
			t.Errorf("%s: exit code %d, want %d\n%s%s", args, got.code, code, got.stdout, got.stderr)
		}
		for _, s := range says {
			if !strings.Contains(got.stdout+got.stderr, s) {
				t.Errorf("%s: does not say %q:\n%s%s", args, s, got.stdout, got.stderr)
			}
		}
		return got
	}
	f("status", exitDone, "nothing is loaded")
	f("load --dry-run "+assets, exitDone, "nothing was written")
	f("status", exitDone, "nothing is loaded")
	f("load "+assets+" "+list+" --confidence 80 --ttl 3650d", exitDone, "assets      assets  csv     2        2      0        0", "indicators  bad     list    2        2", "not_public")
	f("load "+list+" --confidence 80 --ttl 3650d", exitDone, "2        0      0        0")
	f("load "+list+" --confidence 90 --merge", exitDone, "2        0      2        0")
	f("list --topic indicators", exitDone, "203.0.113.0/28", "confidence 90")
	f("show 203.0.113.17", exitDone, "indicator ip", "confidence 90")
	f("show 203.0.113.3", exitDone, "indicator network")
	f("show 10.20.1.1", exitDone, "dc-01.corp.example", "crown, domain_controller")
	f("show 198.51.100.1", exitFailed, "nothing is known of 198.51.100.1")
	f("forget nobody", exitFailed, `no source "nobody"`)
	f("load "+filepath.Join(dir, "none.csv"), exitFailed, "no such file")
	var st contextStatus
	if err := json.Unmarshal([]byte(f("status --format json", exitDone).stdout), &st); err != nil {
		t.Fatal(err)
	}
	if st.Revision == "" || len(st.Sources) != 2 || st.Topics[0].Entries != 2 || st.Topics[3].Entries != 2 {
		t.Errorf("status: %+v", st)
	}
	f("forget bad", exitDone, "2 entries of bad taken back")
	f("show 203.0.113.17", exitFailed)
	f("status", exitDone, "assets")
}
