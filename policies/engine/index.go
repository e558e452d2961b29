package engine

import "github.com/open-policy-agent/opa/v1/ir"

type bitArena struct{}

func (b *bitArena) reset() {}

type blockIndex struct{ starts []int32 }

func (b *blockIndex) reads() []int32 { return nil }

type selection struct{}

func (s *selection) begin(m *Machine, ix *blockIndex)   {}
func (s *selection) next(ix *blockIndex, f int32) int32 { return f }

type segment struct{}

func segmentsOf(f *lowerFn, src *ir.Func) []segment { return nil }
func (f *lowerFn) indexed(s []segment) error        { return nil }
func natives() map[string]native                    { return nil }
func (f *lowerFn) prepare(n int32, args []int32)    {}

type batch struct{}

func newBatch(p *Program) *batch { return nil }
