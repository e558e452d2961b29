// Package dedupe finds events that were seen before, and says which event was the first.
//
// Two events are one if the vendor gave them the same id and their content is the same, or,
// where the vendor gives no id, if their content is the same and they claim the same time
// (it is part of the content). The same id with other content is another event: its id is
// derived anew, so that nobody can hide an event by using up its id beforehand. Content is
// the vendor's object without what differs between two deliveries (normalise, "volatile").
//
// What is remembered lies in one open table of 48-byte slots without pointers. Entries
// belong to generations: a generation ends after a sixth of the TTL or an eighth of the
// budget, and is forgotten as a whole once its youngest entry is older than the TTL, or when
// the budget is spent. All of this is driven by the append times of the records alone, so
// that the same records give the same result for any batch size and crash point. Forgetting
// early shortens the window (Stats.Window): that lets a repeated alert through, never hides
// one.
//
// The stage also tells late events: those older than the newest event of the partition by
// more than the allowed lateness.
package dedupe
