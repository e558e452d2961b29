package engine

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ladder is a rule with n branches; its value is the branch of the event's code.
func ladder(n int) Config {
	var b strings.Builder
	b.WriteString("package l\n\nowner := \"nobody\" if input.code == \"\"")
	for i := range n {
		fmt.Fprintf(&b, " else := \"team-%d\" if {\n\tinput.code == \"E%d\"\n\tinput.level > %d\n}", i, i/2, i%2*5)
	}
	b.WriteString(" else := \"soc\"\n")
	return Config{Modules: map[string]string{"l.rego": b.String()}, Entrypoints: []string{"l/owner"}}
}

// netList is a detection over a list of n address blocks, in n/256 of them.
func netList(n int) Config {
	blocks := make([]string, n)
	for i := range blocks {
		blocks[i] = fmt.Sprintf(`"%d.%d.%d.0/24"`, 20+i/65536, i/256%256, i%256)
	}
	return Config{
		Modules: map[string]string{"n.rego": `package n

match if {
	some block in data.blocks
	net.cidr_contains(block, input.ip)
}
`},
		Data: []byte(`{"blocks": [` + strings.Join(blocks, ",") + `]}`), Entrypoints: []string{"n/match"},
	}
}

func TestBranchesOfAnElseChainAreIndexed(t *testing.T) {
	t.Parallel()
	p := mustLoad(t, ladder(200))
	if r := p.Report(); r.Indexed < 200 {
		t.Errorf("%d guarded, %d indexed, want all branches", r.Guarded, r.Indexed)
	}
	m := p.NewMachine()
	f := func(event, want string) {
		t.Helper()
		r, err := m.Eval(t.Context(), 0, JSON([]byte(event)))
		if got, _ := r.Value().Str(); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", event, got, err, want)
		}
	}
	f(`{"code": "E7", "level": 1}`, "team-14")
	f(`{"code": "E7", "level": 9}`, "team-14")
	f(`{"code": "E7", "level": 0}`, "soc")
	f(`{"code": ""}`, "nobody")
	f(`{}`, "soc")
}

// The branches of two chains of one rule share a local in the plan; the value of one
// must not leak into the other when its first branch is left out.
func TestElseChainsOfOneRuleDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	chain := func(a, b int) string {
		s := fmt.Sprintf("v := 1 if input.a == %d", a)
		for i := range 4 {
			s += fmt.Sprintf(" else := %d if input.b == %d", i+2, b+i)
		}
		return s + "\n\n"
	}
	p := mustLoad(t, Config{Modules: map[string]string{"c.rego": "package c\n\n" + chain(1, 10) + chain(2, 10)}, Entrypoints: []string{"c/v"}})
	if p.code.fns[p.entries[0].callee].index == nil {
		t.Fatal("no index: the test means nothing")
	}
	f := func(event, want string) {
		t.Helper()
		r, err := p.NewMachine().Eval(t.Context(), 0, JSON([]byte(event)))
		got := string(r.Value().AppendJSON(nil))
		if err != nil {
			got = codeOf(err)
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", event, got, want)
		}
	}
	f(`{"a": 1}`, "1")
	f(`{"a": 2}`, "1")
	f(`{"b": 11}`, "3")
	f(`{"a": 1, "b": 10}`, "eval_conflict_error") // 1 of the first chain, 2 of the second
}

func TestAListOfAddressBlocksIsATree(t *testing.T) {
	t.Parallel()
	p := mustLoad(t, netList(20_000))
	m := p.NewMachine()
	f := func(ip string, want bool) {
		t.Helper()
		r, err := m.Eval(t.Context(), 0, JSON([]byte(`{"ip": "`+ip+`"}`)))
		if err != nil || r.Defined() != want {
			t.Errorf("%s: got %v, %v, want %v", ip, r.Defined(), err, want)
		}
		if spent := p.limits.Instructions - m.fuel; !want && spent > 100 {
			t.Errorf("%s: %d instructions spent, the list was walked", ip, spent)
		}
	}
	f("20.1.2.3", true)
	f("20.78.31.255", true)
	f("20.79.0.0", false)
	f("::1", false)
	f("nonsense", false)
	f("::ffff:20.1.2.3", true)
}

// A document of data reaches a call through a block and a register of its own.
func TestMembershipInDataIsAGuard(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 6 {
		fmt.Fprintf(&b, "hit contains %d if {\n\tinput.role in data.roles\n\tinput.code == %d\n}\n\n", i, i)
		fmt.Fprintf(&b, "hit contains %d if lower(input.name) in data.names\n\n", 100+i)
	}
	p := mustLoad(t, Config{
		Modules: map[string]string{"m.rego": "package m\n\n" + b.String()}, Entrypoints: []string{"m/hit"},
		Data: []byte(`{"roles": ["admin", 1, null], "names": {"a": "ann", "b": "bob"}}`),
	})
	if r := p.Report(); r.Indexed != 12 || len(r.Unguarded) != 0 {
		t.Errorf("%d indexed, unguarded: %v", r.Indexed, r.Unguarded)
	}
	f := func(event, want string) {
		t.Helper()
		r, err := p.NewMachine().Eval(t.Context(), 0, JSON([]byte(event)))
		if got := string(r.Value().AppendJSON(nil)); err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", event, got, err, want)
		}
	}
	f(`{"role": "admin", "code": 3}`, "[3]")
	f(`{"role": 1.0, "code": 3}`, "[3]")
	f(`{"role": null, "code": 2, "name": "x"}`, "[2]")
	f(`{"role": "guest", "code": 3, "name": "Bob"}`, "[100,101,102,103,104,105]")
	f(`{}`, "[]")
}

func TestTheTreeFindsTheBlocksThatNetFinds(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	addr := func() netip.Addr {
		switch r.IntN(4) {
		case 0:
			return netip.AddrFrom4([4]byte{10, byte(r.IntN(3)), byte(r.IntN(3)), byte(r.IntN(256))})
		case 1:
			return netip.AddrFrom16([16]byte{10: 255, 11: 255, 12: 10, 13: byte(r.IntN(3)), 15: byte(r.IntN(256))})
		case 2:
			return netip.AddrFrom16([16]byte{0: 0x20, 1: byte(r.IntN(2)), 15: byte(r.IntN(256))})
		}
		return netip.AddrFrom16([16]byte{15: byte(r.IntN(256))})
	}
	for range 200 {
		tree := newNets()
		var blocks []*net.IPNet
		for range 1 + r.IntN(40) {
			a := addr()
			text := fmt.Sprintf("%s/%d", a, r.IntN(a.BitLen()+1))
			block, ok := parseBlock(text)
			if !ok {
				t.Fatalf("%s refused", text)
			}
			tree.put(int32(len(blocks)), []netip.Prefix{block})
			_, n, _ := net.ParseCIDR(text)
			blocks = append(blocks, n)
		}
		tree.close(1)
		for range 50 {
			a := addr()
			v := String(a.String())
			hits := make(bitset, 1)
			if !tree.match(&v, hits, true) {
				t.Fatalf("%s: cannot tell", a)
			}
			for i, n := range blocks {
				if n.Contains(net.ParseIP(a.String())) != hits.has(int32(i)) {
					t.Fatalf("%s in %s: the tree says %v", a, n, hits.has(int32(i)))
				}
			}
		}
	}
}

func TestStepsFindTheBoundsThatHold(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 9))
	for _, n := range []int{1, 2, 63, 64, 65, 128, 300} {
		var floors, ceils steps
		vals := make([]Value, n)
		for i := range vals {
			vals[i] = Int(int64(r.IntN(n)))
			floors.put(int32(i), vals[i], i%2 == 0)
			ceils.put(int32(i), vals[i], i%2 == 0)
		}
		words := (n + 63) / 64
		floors.close(words)
		ceils.close(words)
		for x := int64(-1); x <= int64(n); x++ {
			v := Int(x)
			above, below := make(bitset, words), make(bitset, words)
			floors.match(&v, above, true)
			ceils.match(&v, below, false)
			for i := range vals {
				c := compare(&v, &vals[i])
				equal := c == 0 && i%2 == 0
				if above.has(int32(i)) != (c > 0 || equal) || below.has(int32(i)) != (c < 0 || equal) {
					t.Fatalf("n=%d, %d against %v: above %v, below %v", n, x, vals[i].AST(), above.has(int32(i)), below.has(int32(i)))
				}
			}
		}
	}
}

func TestLiteralsOfPatterns(t *testing.T) {
	t.Parallel()
	f := func(pattern, want string) {
		t.Helper()
		texts, folded := literals(pattern)
		got := strings.Join(texts, " ")
		if folded {
			got += " (folded)"
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", pattern, got, want)
		}
	}
	f(`powershell.*-enc`, "powershell")
	f(`(?i)powershell.*-enc`, "power (folded)") // without the s: the long s matches it
	f(`invoice|payment\d+`, "invoice payment")
	f(`(mimikatz|procdump)+\.exe`, "mimikatz procdump")
	f(`a.c|abc`, "")
	f(`x*y?`, "")
	f(`(?i)mimikatz|cmd`, "mimikatz cmd (folded)")
	f(`(`, "")
}

// FuzzLiteralsAreInEveryMatch checks that what a pattern matches has one of its
// literals.
func FuzzLiteralsAreInEveryMatch(f *testing.F) {
	for _, p := range []string{`abc|xyz`, `(?i)kelvin|strasse`, `(?i)abc(def|ghi)+`, `(ab|cd){3}`, `^(?:foo|bar).*baz$`, `(?i)\x{17f}tream`} {
		f.Add(p, "abc xyz KELVIN \u212aelvin abcDEF ababab foo baz \u017ftream")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		re, err := regexp.Compile(pattern)
		text = strings.ToValidUTF8(text, "\ufffd") // as decoding makes it
		if err != nil || !re.MatchString(text) {
			return
		}
		lits, folded := literals(pattern)
		if folded {
			text = strings.ToLower(text)
			for i := range lits {
				lits[i] = strings.ToLower(lits[i])
			}
		}
		if len(lits) > 0 && !slices.ContainsFunc(lits, func(l string) bool { return strings.Contains(text, l) }) {
			t.Fatalf("%q matches %q without any of %q", pattern, text, lits)
		}
	})
}

func benchmarkIndex(b *testing.B, cfg Config, events ...string) {
	b.Helper()
	for name, off := range map[string]Feature{"index": 0, "none": FeatureIndex} {
		cfg.Without = off
		m := mustLoad(b, cfg).NewMachine()
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if _, err := m.Eval(b.Context(), 0, JSON([]byte(events[n%len(events)]))); err != nil {
					b.Fatal(err)
				}
				n++
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/event")
		})
	}
}

func BenchmarkElseChainOf200Branches(b *testing.B) {
	benchmarkIndex(b, ladder(200), `{"code": "E7", "level": 9}`, `{"code": "E90", "level": 9}`, `{"code": "none", "level": 9}`)
}

func BenchmarkListOf2000AddressBlocks(b *testing.B) {
	benchmarkIndex(b, netList(2000), `{"ip": "192.168.7.9"}`, `{"ip": "10.1.1.1"}`)
}

// OPA numbers the locals of one plan on from those before it.
func TestPlansOfManyEntryPointsStaySmall(t *testing.T) {
	t.Parallel()
	cfg := Config{Modules: map[string]string{}}
	for i := range 300 {
		name := fmt.Sprintf("d%d", i)
		cfg.Modules[name] = fmt.Sprintf("package %s\n\nmatch if input.code == %d\n", name, i)
		cfg.Entrypoints = append(cfg.Entrypoints, name+"/match")
	}
	for _, f := range mustLoad(t, cfg).code.fns {
		if f.regs > 20 {
			t.Fatalf("%s has %d registers", f.name, f.regs)
		}
	}
}
