package run

import "time"

// fill chooses how many records a transaction may hold. The cluster aborts one that is open
// for too long, and a stage that is slow over its records, or a machine that is starved,
// would get the same records again and be as slow: a lane that is behind would never catch
// up. It belongs to the lane, since such an abort ends the session.
type fill struct {
	most     int           // records
	limit    int           // what most may grow to
	patience time.Duration // a longer transaction makes most smaller
}

// newFill starts with first records, at most limit. It aims at transactions of an eighth of
// the timeout, so that one which is four times as slow as the one before it still commits.
func newFill(first, limit int, timeout time.Duration) fill {
	return fill{most: min(first, limit), limit: limit, patience: timeout / 8}
}

// committed takes how many records a transaction held and how long it was open.
func (f *fill) committed(records int, open time.Duration) {
	switch {
	case open > f.patience:
		f.most = max(1, min(f.most, records)/2)
	case records >= f.most && open < f.patience/2:
		f.most = min(2*f.most, f.limit)
	}
}

// lost takes that a session ended with its transaction, for whatever reason.
func (f *fill) lost() { f.most = max(1, f.most/4) }
