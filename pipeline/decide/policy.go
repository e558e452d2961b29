package decide

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/riposte-sec/riposte/policies/engine"
)

// ErrUndefined is the error of a policy that has no answer for its input.
var ErrUndefined = errors.New("policy: undefined")

// Policy is a bundle of rules with one document as its answer. It is safe for concurrent
// use, and equal inputs have equal answers, byte by byte.
type Policy interface {
	// Eval returns the document for input, both JSON. It returns ErrUndefined if the rules
	// have none. The result belongs to the caller.
	Eval(ctx context.Context, input []byte) ([]byte, error)
	// Revision names the bundle.
	Revision() string
	// Engine names what evaluates it: riposte or topdown.
	Engine() string
}

// The documents that this package asks for.
const (
	DocumentDecide = "riposte/decide/decision"
	DocumentGuard  = "riposte/guard/document"
)

// Topdown is a Policy that OPA's own interpreter evaluates.
type Topdown struct {
	query    rego.PreparedEvalQuery
	revision string
}

var _ Policy = (*Topdown)(nil)

// Bundle reads the rules (*.rego without tests) and data.json at the root of files.
func Bundle(files fs.FS) (modules map[string]string, data []byte, err error) {
	names, err := fs.Glob(files, "*.rego")
	if err != nil {
		return nil, nil, err
	}
	modules = map[string]string{}
	for _, n := range names {
		if strings.HasSuffix(n, "_test.rego") {
			continue
		}
		src, err := fs.ReadFile(files, n)
		if err != nil {
			return nil, nil, fmt.Errorf("bundle: %w", err)
		}
		modules[n] = string(src)
	}
	if len(modules) == 0 {
		return nil, nil, errors.New("bundle: no rules")
	}
	data, err = fs.ReadFile(files, "data.json")
	if errors.Is(err, fs.ErrNotExist) {
		return modules, []byte("{}"), nil
	}
	return modules, data, err
}

// NewTopdown compiles modules and prepares document, one of the Document constants.
// Errors name file and line.
func NewTopdown(ctx context.Context, revision, document string, modules map[string]string, data []byte) (*Topdown, error) {
	var base map[string]any
	if err := util.Unmarshal(data, &base); err != nil {
		return nil, fmt.Errorf("policy %s: data: %w", document, err)
	}
	opts := []func(*rego.Rego){
		rego.Query("data." + strings.ReplaceAll(document, "/", ".")),
		rego.Store(inmem.NewFromObject(base)),
		rego.Capabilities(engine.Profile()),
		rego.Strict(true),
		rego.StrictBuiltinErrors(true),
	}
	for name, src := range modules {
		opts = append(opts, rego.Module(name, src))
	}
	q, err := rego.New(opts...).PrepareForEval(ctx)
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", document, err)
	}
	return &Topdown{query: q, revision: revision}, nil
}

// Eval evaluates the document.
func (t *Topdown) Eval(ctx context.Context, input []byte) ([]byte, error) {
	v, err := ast.ValueFromReader(strings.NewReader(string(input)))
	if err != nil {
		return nil, fmt.Errorf("policy: input: %w", err)
	}
	rs, err := t.query.Eval(ctx, rego.EvalParsedInput(v))
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	if len(rs) == 0 || len(rs[0].Expressions) == 0 {
		return nil, ErrUndefined
	}
	out, err := json.Marshal(rs[0].Expressions[0].Value)
	if err != nil {
		return nil, fmt.Errorf("policy: result: %w", err)
	}
	return out, nil
}

// Revision names the bundle.
func (t *Topdown) Revision() string { return t.revision }

// Engine returns "topdown".
func (t *Topdown) Engine() string { return "topdown" }
