// Command policy measures policies/engine against OPA: JSON bytes to decision, on
// policies of about 10, 70, 500 and 5,000 rules over OCSF-like events; one call
// that evaluates thousands of detections; and the pipeline's whole path from raw
// records to intents on OPA's interpreter and on the engine. All variants of a
// table run in turns within one run and are measured by processor time, so that
// their ratios hold on a busy host; absolute times do not. The last line of the
// output begins with "bench-policy:".
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
	only := flag.Int("only", 0, "measure only the policy of so many rules; nothing is written")
	pathOnly := flag.Bool("path", false, "measure only the path from raw records to intents; nothing is written")
	profile := flag.String("cpuprofile", "", "write a CPU profile of the engine on the -only policy to this file and stop")
	flag.Parse()
	if err := run(options{*rounds, *slice, *out, *only, *pathOnly, *profile}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type options struct {
	rounds   int
	slice    time.Duration
	out      string
	only     int
	pathOnly bool
	profile  string
}

func run(o options) error {
	ctx := context.Background()
	w := &report{}
	host := watchHost()
	fmt.Fprintf(&w.text, "policy engine, %s, %s %s/%s, %d CPUs, %d rounds of %v per variant\n",
		time.Now().UTC().Format(time.DateOnly), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), o.rounds, o.slice)
	results := map[int]table{}
	if !o.pathOnly {
		stop, err := measurePolicies(ctx, w, o, results)
		if stop || err != nil {
			return err
		}
	}
	ratio := 0.0
	if o.only == 0 {
		var err error
		if ratio, err = measurePath(ctx, w, o.rounds); err != nil {
			return err
		}
	}
	fmt.Fprintf(&w.text, "\n%s\n", host.end())
	if o.only == 0 && !o.pathOnly {
		fmt.Fprintln(&w.text, summary(results, ratio))
	}
	w.show()
	if o.out == "" || o.only != 0 || o.pathOnly {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(o.out), 0o755); err != nil {
		return err
	}
	return os.WriteFile(o.out, []byte(w.text.String()), 0o644)
}

// measurePolicies measures the policies that were asked for; stop tells that it wrote
// a profile and nothing else is wanted.
func measurePolicies(ctx context.Context, w *report, o options, results map[int]table) (stop bool, err error) {
	for _, p := range policiesUnderTest() {
		if o.only != 0 && p.rules != o.only {
			continue
		}
		s, err := prepare(ctx, p)
		if err != nil {
			return false, fmt.Errorf("%s: %w", p.name, err)
		}
		if o.profile != "" {
			return true, s.profile(o.profile)
		}
		if err := s.agree(ctx); err != nil {
			return false, fmt.Errorf("%s of %d rules: %w", p.name, p.rules, err)
		}
		results[p.rules] = s.measure(o.rounds, o.slice)
		results[p.rules].write(w, p, s, s.scaling(o.rounds, 2*o.slice))
		w.show()
	}
	if o.only != 0 {
		return false, nil
	}
	for _, n := range []int{500, 5000} {
		if err := measureMatch(ctx, w, n, o.rounds, o.slice); err != nil {
			return false, err
		}
		w.show()
	}
	return false, nil
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

// summary is the last line: the engine from bytes against each baseline from bytes,
// and against the tuned one whose value is ready, from a value that is ready, too.
func summary(t map[int]table, path float64) string {
	ratio := func(n int, v string) float64 { return t[n]["engine"].faster[v] }
	ready := func(n int) float64 { return t[n]["engine-ast"].faster["tuned-ast"] }
	return fmt.Sprintf("bench-policy: r10=%.1f r70=%.1f r500=%.1f many=%.2f (5,000 : 500 rules) tuned10=%.1f tuned70=%.1f tuned500=%.1f ready10=%.1f ready70=%.1f ready500=%.1f path=%.2f",
		ratio(10, "stock"), ratio(70, "stock"), ratio(500, "stock"), t[5000]["engine"].ns/t[500]["engine"].ns,
		ratio(10, "tuned"), ratio(70, "tuned"), ratio(500, "tuned"), ready(10), ready(70), ready(500), path)
}

// subject is one policy, ready to run in each variant.
type subject struct {
	events [][]byte
	asts   []ast.Value
	prog   *engine.Program
	noIdx  *engine.Program
	entry  engine.Entry
	stock  rego.PreparedEvalQuery
	whole  *engine.Program // decodes whole events
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
	s.whole, err = engine.Load(ctx, engine.Config{
		Modules: map[string]string{"whole.rego": "package whole\n\nevent := input\n"}, Entrypoints: []string{"whole/event"},
	})
	if err != nil {
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
			if why := r.ByTopdown(); why != nil {
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
//
// stock is what OPA's documentation shows. tuned is the fastest way that is known to
// use OPA's interpreter (Program.Topdown: values instead of maps, a store of values,
// one transaction, no goroutine per evaluation, no metrics, a shared value cache, the
// result as a value), behind the engine's own decoder, which is four times as fast as
// encoding/json and OPA's. tuned-ast is the same with the value ready.
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
	decoder := s.whole.NewMachine()
	fromJSON := func(i int) engine.Input { return engine.JSON(s.events[i]) }
	return map[string]func(i int){
		"stock": func(i int) {
			var doc map[string]any
			check(json.Unmarshal(s.events[i], &doc))
			_, err := s.stock.Eval(ctx, rego.EvalInput(doc))
			check(err)
		},
		"tuned": func(i int) {
			r, err := decoder.Eval(ctx, 0, engine.JSON(s.events[i]))
			check(err)
			_, err = s.prog.Topdown(ctx, s.entry, r.AST())
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
