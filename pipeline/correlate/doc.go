// Package correlate makes alerts of signals.
//
// A correlation is a document in Sigma's correlation format, or one of our extensions of
// it; a detection by itself is treated as a correlation that one signal satisfies. Load
// reads the documents, New builds the stage, one instance per partition of TopicSignals.
//
// # Meaning
//
// The signals of one rule and one group of values form, in event time, sessions: two
// signals are in the same session when no gap longer than the timespan lies between them.
// In a session the condition is judged at every signal over the window of one timespan
// before it. The first signal that satisfies it is the trigger; the episode is everything
// in the session from the beginning of that window on. So a session holds at most one
// episode, later signals extend it, and it closes after a timespan of silence.
//
// All of this is a function of the set of signals alone. A signal that arrives out of order
// but inside the lateness is put where it belongs and what follows from it is told as a
// further revision of the alert. Conditions that a further signal could make false (lt, eq,
// an average, "not") are judged once, when the watermark has passed; so they need no
// revision.
//
// # State
//
// The state is a map from rule and group to sessions. Between two commits the stage keeps
// a copy of each key that it touched, from which it writes the delta and rolls back. Lists
// of marks are shared with that copy: they are appended to, cut or replaced, but never
// changed in place.
package correlate
