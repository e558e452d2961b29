package sample

import "math/rand/v2"

// The alphabets of ids.
const (
	digits    = "0123456789"
	hexDigits = "0123456789abcdef"
	base62    = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	base32    = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	base32Low = "abcdefghijklmnopqrstuvwxyz234567"
)

// source draws from one pseudo-random stream. PCG's sequence is fixed by the standard
// library's documentation of math/rand/v2, so a seed means the same traffic in every build.
type source struct{ *rand.Rand }

func newSource(a, b uint64) *source {
	return &source{rand.New(rand.NewPCG(a, b))} //nolint:gosec // sample traffic must be repeatable, not secret
}

// appendID appends n characters of set, which has at most 64 of them.
func (r *source) appendID(dst []byte, set string, n int) []byte {
	var bits uint64
	for i := range n {
		if i%10 == 0 {
			bits = r.Uint64()
		}
		dst = append(dst, set[bits&63%uint64(len(set))])
		bits >>= 6
	}
	return dst
}

// appendUUID appends a random UUID (RFC 9562 version 4).
func (r *source) appendUUID(dst []byte) []byte {
	hi, lo := r.Uint64(), r.Uint64()
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(3<<62) | 2<<62
	for i := range 32 {
		if i == 8 || i == 12 || i == 16 || i == 20 {
			dst = append(dst, '-')
		}
		if i < 16 {
			dst = append(dst, hexDigits[hi>>60])
			hi <<= 4
		} else {
			dst = append(dst, hexDigits[lo>>60])
			lo <<= 4
		}
	}
	return dst
}

// pick returns one of list.
func pick[T any](r *source, list []T) T { return list[r.IntN(len(list))] }

// between returns a number in [lo, hi].
func (r *source) between(lo, hi int) int { return lo + r.IntN(hi-lo+1) }

// chance reports true in n of m cases.
func (r *source) chance(n, m int) bool { return r.IntN(m) < n }
