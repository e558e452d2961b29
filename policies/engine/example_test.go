package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/riposte-sec/riposte/policies/engine"
)

func ExampleLoad() {
	ctx := context.Background()
	prog, err := engine.Load(ctx, engine.Config{
		Modules: map[string]string{"decide.rego": `package shop

decision := {"allow": true, "why": data.roles[input.role]} if input.role in {"admin", "owner"}
`},
		Data:        []byte(`{"roles": {"admin": "power", "owner": "property"}}`),
		Entrypoints: []string{"shop/decision"},
		Revision:    "7",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	entry, _ := prog.Entry("shop/decision")
	m := prog.NewMachine() // one per goroutine
	for _, event := range []string{`{"role": "owner", "unread": [1, 2, 3]}`, `{"role": "guest"}`} {
		r, err := m.Eval(ctx, entry, engine.JSON([]byte(event)))
		if err != nil {
			fmt.Println(err)
			return
		}
		if !r.Defined() {
			fmt.Println("undefined")
			continue
		}
		why, _ := r.Value().Get("why").Str()
		fmt.Println(why, string(r.Value().AppendJSON(nil)), "revision", r.Revision())
	}
	// Output:
	// property {"allow":true,"why":"property"} revision 7
	// undefined
}

func ExampleMachine_Match() {
	ctx := context.Background()
	prog, err := engine.Load(ctx, engine.Config{
		Modules: map[string]string{
			"a.rego": "package detect.lolbin\n\nmatch if {\n\tinput.process in {\"certutil\", \"mshta\"}\n\tcontains(lower(input.cmd), \"http\")\n}\n",
			"b.rego": "package detect.egress\n\nmatch if input.bytes_out > 1000000\n",
		},
		Entrypoints: []string{"detect/lolbin/match", "detect/egress/match"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	m := prog.NewMachine()
	var hits []engine.Hit // reused from event to event
	hits, err = m.Match(ctx, engine.JSON([]byte(`{"process": "certutil", "cmd": "certutil -urlcache HTTP://x", "bytes_out": 5}`)), hits[:0])
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, h := range hits {
		fmt.Println(prog.Name(h.Entry))
	}
	// Output:
	// detect/lolbin/match
}

// event is a caller's own representation: no map, no JSON.
type event struct {
	user string
	port int64
}

// view answers for the fields of a program by number.
type view struct {
	event  *event
	lookup []func(*event) engine.Value // by field ID
}

func (v view) Lookup(id int) engine.Value { return v.lookup[id](v.event) }

func ExampleSource() {
	ctx := context.Background()
	prog, err := engine.Load(ctx, engine.Config{
		Modules:     map[string]string{"p.rego": "package p\n\nok if {\n\tinput.actor.user == \"ann\"\n\tinput.port < 1024\n}\n"},
		Entrypoints: []string{"p/ok"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	// Resolve the paths once, at load.
	known := map[string]func(*event) engine.Value{
		"actor.user": func(e *event) engine.Value { return engine.String(e.user) },
		"port":       func(e *event) engine.Value { return engine.Int(e.port) },
	}
	missing := func(*event) engine.Value { return engine.Value{} }
	v := view{event: &event{user: "ann", port: 443}}
	for _, f := range prog.Fields() {
		for len(v.lookup) <= f.ID {
			v.lookup = append(v.lookup, missing)
		}
		if get, ok := known[strings.Join(f.Path, ".")]; ok {
			v.lookup[f.ID] = get
		}
	}
	r, err := prog.NewMachine().Eval(ctx, 0, engine.From(v))
	fmt.Println(r.Defined(), err)
	// Output:
	// true <nil>
}

func ExampleLive() {
	ctx := context.Background()
	load := func(revision, limit string) *engine.Program {
		p, err := engine.Load(ctx, engine.Config{
			Modules:     map[string]string{"p.rego": "package p\n\ndefault page := false\n\npage if input.score > " + limit + "\n"},
			Entrypoints: []string{"p/page"}, Revision: revision,
		})
		if err != nil {
			panic(err)
		}
		return p
	}
	live := engine.NewLive(load("1", "50"), engine.LiveConfig{
		OnDifference: func(d engine.Difference) { fmt.Println("differs:", d.Entry, d.Input) },
	})
	w := live.NewWorker() // one per goroutine; in the first minute topdown judges all
	for _, revision := range []string{"1", "2"} {
		if revision == "2" {
			live.Swap(load("2", "70"))
		}
		r, err := w.Eval(ctx, "p/page", engine.JSON([]byte(`{"score": 60}`)))
		page, _ := r.Value().Bool()
		fmt.Println(page, r.Revision(), err)
	}
	fmt.Printf("%+v\n", live.Stats())
	// Output:
	// true 1 <nil>
	// false 2 <nil>
	// {Topdown:0 Judged:2 Differences:0}
}

func ExampleLimits() {
	ctx := context.Background()
	prog, err := engine.Load(ctx, engine.Config{
		Modules:     map[string]string{"p.rego": "package p\n\nn := count([1 | some x in input.l; some y in input.l; x == y])\n"},
		Entrypoints: []string{"p/n"},
		Limits:      engine.Limits{Instructions: 10_000},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	big := `{"l": [` + strings.Repeat("1,", 999) + `1]}`
	_, err = prog.NewMachine().Eval(ctx, 0, engine.JSON([]byte(big)))
	fmt.Println(errors.Is(err, engine.ErrBudget))
	// Output:
	// true
}

func ExampleRegister() {
	engine.Register()
	rs, err := rego.New(rego.Query("x = [y | some y in input.l; y > 1]"), rego.Target(engine.Target),
		rego.Input(map[string]any{"l": []int{1, 2, 3}})).Eval(context.Background())
	fmt.Println(rs[0].Bindings["x"], err)
	// Output:
	// [2 3] <nil>
}
