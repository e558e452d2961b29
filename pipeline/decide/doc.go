// Package decide folds facts into incidents and lets policies say what shall be done about
// them.
//
// After each fact the policy riposte.decide is asked again, with everything that the
// incident knows. Its answer is total: the complete set of steps that shall exist now. The
// stage compares it with what it asked for before. What is new passes the guard (a policy
// in a bundle of its own) and the caps (code, which no policy can raise) and becomes an
// intent; what is no longer wanted is retracted. There is no workflow: waiting is a step
// that is not wanted yet, and the outcome of a step is a fact like any other.
//
// What is decided is a function of the facts topic alone. Waiting is a timer of the incident,
// which fires before the first record that the broker appended at the timer's time or later,
// however far behind the stage is when it reads it. Where no record comes, the runtime's
// tick makes the stage emit the timer fact, and that record is it. So no clock of a worker
// takes part. Every timer that fires is told by a timer fact; read back, it is known.
//
// A policy that fails does not stop an incident: it gets the priority of its severity and
// no containment. A guard that fails lets nothing containing pass.
package decide
