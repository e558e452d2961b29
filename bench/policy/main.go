// Command policy measures policies/engine against OPA: JSON bytes to decision, on
// policies of about 10, 70, 500 and 5,000 rules over OCSF-like events. All
// variants of a table run in turns within one run, so that their ratios hold on
// a busy host; absolute times do not. The last line of the output begins with
// "bench-policy:".
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/riposte-sec/riposte/policies/engine"
)

func main() {
	rounds := flag.Int("rounds", 7, "rounds; the median of them counts")
	slice := flag.Duration("slice", 120*time.Millisecond, "time for each variant in a round")
	out := flag.String("out", "bench/results/policy.txt", "file for the result; empty: none")
	only := flag.Int("only", 0, "measure only the policy of so many rules")
	profile := flag.String("cpuprofile", "", "write a CPU profile of the engine on the -only policy to this file and stop")
	flag.Parse()
	if err := run(*rounds, *slice, *out, *only, *profile); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(rounds int, slice time.Duration, out string, only int, profile string) error {
	ctx := context.Background()
	w := &report{}
	fmt.Fprintf(&w.text, "policy engine, %s, %s %s/%s, %d CPUs, %d rounds of %v per variant\n",
		time.Now().UTC().Format(time.DateOnly), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), rounds, slice)
	results := map[int]table{}
	for _, p := range policiesUnderTest() {
		if only != 0 && p.rules != only {
			continue
		}
		s, err := prepare(ctx, p)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if profile != "" {
			return s.profile(profile)
		}
		if err := s.agree(ctx); err != nil {
			return fmt.Errorf("%s of %d rules: %w", p.name, p.rules, err)
		}
		results[p.rules] = s.measure(rounds, slice)
		results[p.rules].write(w, p, s)
		w.show()
	}
	if only == 0 {
		for _, n := range []int{500, 5000} {
			if err := measureMatch(ctx, w, n, rounds, slice); err != nil {
				return err
			}
			w.show()
		}
		fmt.Fprintln(&w.text, summary(results))
	}
	w.show()
	if out == "" || only != 0 {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	return os.WriteFile(out, []byte(w.text.String()), 0o644)
}

// report collects the result file and shows it as it grows.
type report struct {
	text  strings.Builder
	shown int
}

func (r *report) show() {
	fmt.Print(r.text.String()[r.shown:])
	r.shown = r.text.Len()
}

func summary(t map[int]table) string {
	ratio := func(n int, v string) float64 { return t[n]["engine"].faster[v] }
	return fmt.Sprintf("bench-policy: r10=%.1f r70=%.1f r500=%.1f many=%.2f (5,000 : 500 rules) tuned10=%.1f tuned70=%.1f tuned500=%.1f",
		ratio(10, "stock"), ratio(70, "stock"), ratio(500, "stock"), t[5000]["engine"].ns/t[500]["engine"].ns,
		ratio(10, "tuned"), ratio(70, "tuned"), ratio(500, "tuned"))
}

// subject is one policy, ready to run in each variant.
type subject struct {
	events [][]byte
	asts   []ast.Value
	prog   *engine.Program
	noIdx  *engine.Program
	entry  engine.Entry
	stock  rego.PreparedEvalQuery
	report engine.Report
	size   int
}

func prepare(ctx context.Context, p policy) (*subject, error) {
	s := &subject{events: events(512, 42)}
	for _, e := range s.events {
		s.size += len(e)
		var doc any
		if err := util.UnmarshalJSON(e, &doc); err != nil {
			return nil, err
		}
		s.asts = append(s.asts, ast.MustInterfaceToValue(doc))
	}
	s.size /= len(s.events)
	cfg := engine.Config{
		Modules: map[string]string{p.name + ".rego": p.source}, Data: data(),
		Entrypoints: []string{p.name + "/decision"}, Revision: "1",
	}
	var err error
	if s.prog, err = engine.Load(ctx, cfg); err != nil {
		return nil, err
	}
	s.report = s.prog.Report()
	cfg.Without = engine.FeatureIndex
	if s.noIdx, err = engine.Load(ctx, cfg); err != nil {
		return nil, err
	}
	var doc map[string]any
	if err := util.UnmarshalJSON(cfg.Data, &doc); err != nil {
		return nil, err
	}
	s.stock, err = rego.New(rego.Query("result = data."+p.name+".decision"), rego.Module(p.name+".rego", p.source),
		rego.Store(inmem.NewFromObject(doc))).PrepareForEval(ctx)
	return s, err
}

// agree checks that the variants decide the same for each event.
func (s *subject) agree(ctx context.Context) error {
	m, n := s.prog.NewMachine(), s.noIdx.NewMachine()
	for i, e := range s.events {
		want, err := s.prog.Topdown(ctx, s.entry, s.asts[i])
		if err != nil {
			return err
		}
		for _, x := range []*engine.Machine{m, n} {
			r, err := x.Eval(ctx, s.entry, engine.JSON(e))
			if err != nil {
				return err
			}
			if by, why := r.Topdown(); by {
				return fmt.Errorf("event %d: topdown had to answer: %w", i, why)
			}
			if ast.Compare(r.AST(), want) != 0 {
				return fmt.Errorf("event %d: got %v, topdown says %v", i, r.AST(), want)
			}
		}
	}
	return nil
}

func (s *subject) profile(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // a profile that is cut short shows when it is read
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	op := s.variants()["engine"]
	for start := time.Now(); time.Since(start) < 4*time.Second; {
		for i := range s.events {
			op(i)
		}
	}
	return nil
}

// variants returns the measured operations; each decides event i.
func (s *subject) variants() map[string]func(i int) {
	ctx := context.Background()
	check := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	machine := func(p *engine.Program, in func(i int) engine.Input) func(i int) {
		m := p.NewMachine()
		return func(i int) {
			r, err := m.Eval(ctx, s.entry, in(i))
			check(err)
			if !r.Value().Get("priority").Defined() {
				panic("no decision")
			}
		}
	}
	fromJSON := func(i int) engine.Input { return engine.JSON(s.events[i]) }
	return map[string]func(i int){
		"stock": func(i int) {
			var doc map[string]any
			check(json.Unmarshal(s.events[i], &doc))
			_, err := s.stock.Eval(ctx, rego.EvalInput(doc))
			check(err)
		},
		"tuned": func(i int) {
			v, err := ast.ValueFromReader(strings.NewReader(string(s.events[i])))
			check(err)
			_, err = s.prog.Topdown(ctx, s.entry, v)
			check(err)
		},
		"tuned-ast": func(i int) {
			_, err := s.prog.Topdown(ctx, s.entry, s.asts[i])
			check(err)
		},
		"engine":          machine(s.prog, fromJSON),
		"engine-no-index": machine(s.noIdx, fromJSON),
		"engine-ast":      machine(s.prog, func(i int) engine.Input { return engine.AST(s.asts[i]) }),
	}
}
