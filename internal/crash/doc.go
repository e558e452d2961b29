// Package crash ends the process at named points, the way kill -9 would, so that a test
// can try every boundary between two effects. Without the build tag crashpoints the calls
// cost nothing.
//
// In a build with the tag, RIPOSTE_CRASH chooses the point and how often it is passed
// first: "before-end" ends the process at the first pass, "before-end:3" at the third.
// The process dies by SIGKILL of itself: no deferred function runs and no buffer is
// flushed. RIPOSTE_CLOCK names a file with the seconds that the process's wall clock is
// off, which may change at any time.
package crash

// Env is the name of the environment variable that chooses the point.
const Env = "RIPOSTE_CRASH"

// ClockEnv is the name of the environment variable that names the file with the clock's
// error.
const ClockEnv = "RIPOSTE_CLOCK"

// The points, in the order in which a lane, an executor of effects and a recorder pass
// them.
const (
	AfterRestore = "after-restore" // the state of partitions was read, none of their records
	AfterPoll    = "after-poll"    // records were read, nothing was made of them yet
	AfterProduce = "after-produce" // outputs are buffered or sent, the state is not
	AfterDelta   = "after-delta"   // the state frames are buffered or sent too
	BeforeEnd    = "before-end"    // all of it is acknowledged, the offsets are not committed
	AfterEnd     = "after-end"     // the transaction is committed, memory does not know yet

	AfterSnapshot = "after-snapshot" // a snapshot is committed, what lies below it is not trimmed

	BeforeCall = "before-call" // the intent is durable, the call is not made
	AfterCall  = "after-call"  // the call was made, its result is not recorded

	AfterPlan   = "after-plan"   // a block is planned, not inserted
	AfterInsert = "after-insert" // a block is inserted, nobody knows
	AfterNote   = "after-note"   // the group knows how far blocks are inserted, memory does not
)

// Points lists all points.
func Points() []string {
	return []string{
		AfterRestore, AfterPoll, AfterProduce, AfterDelta, BeforeEnd, AfterEnd, AfterSnapshot,
		BeforeCall, AfterCall, AfterPlan, AfterInsert, AfterNote,
	}
}
