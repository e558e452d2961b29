// Package replay proves determinism (I6): it runs the same raw log through the same stages
// with different numbers of lanes, batch sizes and crashes between, each time on a fresh
// broker in memory, and compares what lies committed byte by byte.
//
// Time is the log's own. The raw records keep the append times that they had; everything
// the stages write is appended at the log's end, and that is also what the runtime's clock
// shows until the input is drained. Then the clock moves on, so that what waits for a
// deadline fires. The respond stage takes no part: its effects are in the world.
package replay
