package engine

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/gaissmai/bart"
)

// nets is a prefix tree over the address blocks of all guards on one field. One
// look-up of the longest prefix finds the units of all blocks that hold an address:
// each block knows those of the blocks around it.
type nets struct {
	tree *bart.Table[[]int32]  // until close: the units of each block alone
	sets *bart.Table[*unitSet] // since: with those of the blocks around it
}

func newNets() *nets { return &nets{tree: new(bart.Table[[]int32])} }

func (n *nets) put(u int32, blocks []netip.Prefix) {
	for _, b := range blocks {
		units, _ := n.tree.Get(b)
		if !slices.Contains(units, u) {
			n.tree.Insert(b, append(units, u))
		}
	}
}

// close hands the units of each block on to the blocks inside it.
func (n *nets) close(words int) {
	n.sets = new(bart.Table[*unitSet])
	for block, units := range n.tree.All() {
		whole := units
		for around, more := range n.tree.Supernets(block) {
			if around != block {
				whole = append(slices.Clip(whole), more...)
			}
		}
		slices.Sort(whole)
		s := &unitSet{list: slices.Compact(whole)}
		s.close(words)
		n.sets.Insert(block, s)
	}
	n.tree = nil
}

// match adds the units whose blocks hold the address v. It returns false if it
// cannot tell: the builtin takes a block, too, and fails for anything else.
func (n *nets) match(v *Value, hits bitset, strict bool) bool {
	text, ok := v.Str()
	if !ok {
		return !strict
	}
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.Zone() != "" { // what net.ParseIP refuses
		return !strict && !strings.Contains(text, "/")
	}
	if units, ok := n.sets.Lookup(ip.Unmap()); ok {
		hits.addAll(units)
	}
	return true
}

// parseBlock parses an address block as net.cidr_contains does. The block of an
// IPv4 address in IPv6 is one of IPv4, as for net.IPNet.
func parseBlock(text string) (netip.Prefix, bool) {
	_, block, err := net.ParseCIDR(text)
	if err != nil {
		return netip.Prefix{}, false
	}
	ip, _ := netip.AddrFromSlice(block.IP)
	ones, size := block.Mask.Size()
	if ip.Is4In6() && size == 128 {
		return netip.PrefixFrom(ip.Unmap(), ones-96), true
	}
	return netip.PrefixFrom(ip, ones), true
}
