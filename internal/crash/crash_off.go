//go:build !crashpoints

package crash

// Enabled is true in a build that can crash on purpose.
const Enabled = false

// Point does nothing in this build.
func Point(string) {}
