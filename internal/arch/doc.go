// Package arch holds the import law of ARCHITECTURE.md as a test; it has no code of its own.
package arch
