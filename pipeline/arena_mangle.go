//go:build invariants

package pipeline

// mangle overwrites memory that a reset arena gives up, so that a view that was kept by
// mistake reads as garbage and fails a test.
func mangle(b []byte) {
	b = b[:cap(b)]
	for i := range b {
		b[i] = 0xdb
	}
}
