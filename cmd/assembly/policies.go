package assembly

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/correlate"
	"github.com/riposte-sec/riposte/pipeline/decide"
	"github.com/riposte-sec/riposte/pipeline/match"
	"github.com/riposte-sec/riposte/policies"
	"github.com/riposte-sec/riposte/policies/engine"
)

// Policies is everything that rules say, loaded and checked: immutable, shared by all
// stages of a process.
type Policies struct {
	// Revision names the content: the start of a SHA-256 over all files. Equal files have
	// equal revisions.
	Revision     string
	Detections   *match.Set
	Correlations *correlate.Set
	Noise        correlate.Noise
	Decide       decide.Policy
	Guard        decide.Policy
	data         map[string]any // data.* of the detections
	matcher      *match.Engine
	watched      map[string]watched // by name of the policy
}

// LoadPolicies loads detections, correlations, playbooks and guard from the folders
// detections, correlations, decide and guard of fsys, and noise.yml beside them. It reports all errors of a folder at
// once, each with file and line.
func LoadPolicies(ctx context.Context, fsys fs.FS, w Watch) (*Policies, error) {
	revision, err := revisionOf(fsys)
	if err != nil {
		return nil, fmt.Errorf("policies: %w", err)
	}
	p := &Policies{Revision: revision}
	detections, err1 := fs.Sub(fsys, "detections")
	correlations, err2 := fs.Sub(fsys, "correlations")
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("policies: %w", err)
	}
	var errs []error
	if p.Detections, err = match.Load(detections, match.Options{}); err != nil {
		errs = append(errs, err)
	}
	if p.data, err = policies.Data(detections); err != nil {
		errs = append(errs, err)
	}
	if p.Correlations, err = correlate.Load(correlations); err != nil {
		errs = append(errs, err)
	} else if p.Detections != nil {
		errs = append(errs, p.Correlations.CheckRules(p.Detections.IDs()), p.Correlations.CheckPaths(match.CheckPath))
		p.Correlations, err = p.Correlations.For(p.Detections.Digests())
		errs = append(errs, err)
	}
	if p.Noise, err = correlate.LoadNoise(fsys); err != nil {
		errs = append(errs, err)
	} else if p.Detections != nil && p.Correlations != nil {
		errs = append(errs, p.Noise.CheckRules(append(p.Correlations.IDs(), p.Detections.IDs()...)))
	}
	playbooks, err := loadPolicy(ctx, fsys, "decide", revision, decide.DocumentDecide, w.of(policyDecide))
	errs = append(errs, err)
	guard, err := loadPolicy(ctx, fsys, "guard", revision, decide.DocumentGuard, w.of(policyGuard))
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	opt := match.EngineOptions{Revision: revision, Watch: w.of(policyDetections)}
	if p.matcher, err = match.NewEngine(ctx, p.Detections, p.data, opt); err != nil {
		return nil, err
	}
	p.Decide, p.Guard = playbooks, guard
	p.watched = map[string]watched{policyDetections: p.matcher, policyDecide: playbooks, policyGuard: guard}
	return p, nil
}

func loadPolicy(ctx context.Context, fsys fs.FS, folder, revision, document string, watch engine.LiveConfig) (*decide.Engine, error) {
	sub, err := fs.Sub(fsys, folder)
	if err != nil {
		return nil, err
	}
	modules, data, err := decide.Bundle(sub)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", folder, err)
	}
	return decide.NewEngine(ctx, revision, document, modules, data, watch)
}

// Matcher makes a matcher over the detections. It is for one goroutine.
func (p *Policies) Matcher() pipeline.Matcher { return p.matcher.NewMatcher() }

// revisionOf hashes the names and texts of all policy files that are not tests.
func revisionOf(fsys fs.FS) (string, error) {
	var names []string
	for _, pattern := range []string{
		"detections/*.rego", "detections/data/*.json", "correlations/*.yml", "correlations/*.yaml",
		correlate.NoiseFile, "decide/*.rego", "decide/*.json", "guard/*.rego", "guard/*.json",
	} {
		found, err := fs.Glob(fsys, pattern)
		if err != nil {
			return "", err
		}
		names = append(names, found...)
	}
	if len(names) == 0 {
		return "", errors.New("no files: want the folders detections, correlations, decide and guard")
	}
	names = slices.DeleteFunc(names, func(n string) bool { return strings.Contains(n, "_test.") })
	slices.Sort(names)
	h := sha256.New()
	for _, n := range names {
		text, err := fs.ReadFile(fsys, n)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s\x00%d\x00", n, len(text))
		h.Write(text)
	}
	return hex.EncodeToString(h.Sum(nil))[:12], nil
}
