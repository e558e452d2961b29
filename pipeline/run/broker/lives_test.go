package broker

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// crash returns a copy of the folder as it is now: what kill -9 would leave.
func crash(t *testing.T, dir string) string {
	t.Helper()
	left := t.TempDir()
	if err := os.CopyFS(left, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return left
}

// committed returns the values that a reader of committed records sees, up to the end.
func committed(t *testing.T, b *tested, topic string, opts ...kgo.Opt) []string {
	t.Helper()
	cl := client(t, b, append(opts, kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))...)
	ends, err := kadm.NewClient(cl).ListCommittedOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	end, _ := ends.Lookup(topic, 0)
	var got []string
	for last := int64(-1); last < end.Offset-1; {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		fetched := cl.PollFetches(ctx).Records()
		cancel()
		if len(fetched) == 0 {
			break // only markers and aborted records are left
		}
		for _, r := range fetched {
			got, last = append(got, string(r.Value)), r.Offset
		}
	}
	return got
}

// transact produces a value in a transaction of the given id and ends it unless it is to be
// left open.
func transact(t *testing.T, b *tested, id, value string, end bool) {
	t.Helper()
	cl := client(t, b, kgo.TransactionalID(id), kgo.DefaultProduceTopic("events"))
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := cl.ProduceSync(t.Context(), kgo.StringRecord(value)).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if !end {
		return
	}
	if err := cl.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
}

// TestOpenTransactionStaysAbortedOverSeveralCrashes has the same producer commit after each
// crash; without lives its first commit would cover what it had left open.
func TestOpenTransactionStaysAbortedOverSeveralCrashes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, Config{Dir: dir, NoSync: true})
	if _, err := kadm.NewClient(client(t, b)).CreateTopic(t.Context(), 1, 1, nil, "events"); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, n := range []string{"1", "2", "3"} {
		transact(t, b, "lane", "committed-"+n, true)
		want = append(want, "committed-"+n)
		transact(t, b, "lane", "open-"+n, false)
		dir = crash(t, dir)
		crashed := b
		t.Cleanup(func() { _ = crashed.Close() })
		b = start(t, Config{Dir: dir, NoSync: true})
		if got := committed(t, b, "events"); !slices.Equal(got, want) {
			t.Errorf("after crash %s: got %v, want %v", n, got, want)
		}
	}
	transact(t, b, "lane", "last", true)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = start(t, Config{Dir: dir, NoSync: true})
	defer b.Close()
	if got := committed(t, b, "events"); !slices.Equal(got, append(want, "last")) {
		t.Errorf("after an orderly end: got %v, want %v", got, append(want, "last"))
	}
}

func TestOnlyACrashBeginsANewLife(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := func(crashed bool, want uint64) {
		t.Helper()
		b := start(t, Config{Dir: dir, NoSync: true})
		if b.life != want {
			t.Errorf("got life %d, want %d", b.life, want)
		}
		if crashed {
			dir = crash(t, dir)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	f(false, 0)
	f(false, 0)
	f(true, 0)
	f(false, 1)
	f(true, 1)
	f(true, 2)
	f(false, 3)
}
