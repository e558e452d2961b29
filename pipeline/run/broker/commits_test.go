package broker

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var torn = []string{"out-a", "out-b", "out-c"}

// commitOnce commits a record to each of three topics, after one committed before, and the
// offset of the input. It returns the folder as it was when the commit began and when it
// was done.
func commitOnce(t *testing.T, withOffsets bool) (before, after string) {
	t.Helper()
	dir := t.TempDir()
	b := start(t, Config{Dir: dir, NoSync: true})
	defer b.Close()
	if _, err := kadm.NewClient(client(t, b)).CreateTopics(t.Context(), 1, 1, nil, append(torn, "in")...); err != nil {
		t.Fatal(err)
	}
	if err := client(t, b).ProduceSync(t.Context(), &kgo.Record{Topic: "in"}, &kgo.Record{Topic: "in"}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	cl := client(t, b, kgo.TransactionalID("lane"))
	commit := func(value string, offset int64) {
		t.Helper()
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for _, topic := range torn {
			if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte(value)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		if withOffsets {
			commitOffset(t, cl, offset)
		}
		if err := cl.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
	}
	commit("first", 1)
	b.Cluster().Control(func(r kmsg.Request) (kmsg.Response, error, bool) {
		if _, ends := r.(*kmsg.EndTxnRequest); ends {
			before = crash(t, dir)
		}
		return nil, nil, false
	})
	commit("second", 2)
	return before, crash(t, dir)
}

// commitOffset adds the offset of the topic in to the transaction of cl.
func commitOffset(t *testing.T, cl *kgo.Client, offset int64) {
	t.Helper()
	id, epoch, err := cl.ProducerID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = "lane", id, epoch, "group"
	if r, err := add.RequestWith(t.Context(), cl); err != nil || r.ErrorCode != 0 {
		t.Fatal(err, r)
	}
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = "lane", id, epoch, "group"
	topic := kmsg.NewTxnOffsetCommitRequestTopic()
	topic.Topic = "in"
	topics, err := kadm.NewClient(cl).ListTopics(t.Context(), "in")
	if err != nil {
		t.Fatal(err)
	}
	topic.TopicID = topics["in"].ID
	p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	p.Offset = offset
	topic.Partitions = append(topic.Partitions, p)
	req.Topics = append(req.Topics, topic)
	if r, err := req.RequestWith(t.Context(), cl); err != nil || r.Topics[0].Partitions[0].ErrorCode != 0 {
		t.Fatal(err, r)
	}
}

// TestCommitIsWholeOrNothingWhereverItIsKilled takes every state of the files that a kill
// in the middle of a commit can leave.
func TestCommitIsWholeOrNothingWhereverItIsKilled(t *testing.T) {
	t.Parallel()
	f := func(withOffsets bool) {
		t.Helper()
		before, after := commitOnce(t, withOffsets)
		steps := written(t, before, after)
		t.Logf("offsets %v: the commit writes %q", withOffsets, steps)
		if want := map[bool]int{true: 7, false: 6}[withOffsets]; len(steps) != want {
			t.Fatalf("the commit writes %d files, want %d", len(steps), want)
		}
		for n := range len(steps) + 1 {
			for _, half := range []bool{false, true} {
				if half && (n == len(steps) || n == len(steps)-1 && !withOffsets) {
					continue // of the last index: then it may be whole already
				}
				left := crash(t, before)
				for i, name := range steps[:min(n+1, len(steps))] {
					if i < n {
						graft(t, left, after, name, 1)
					} else if half {
						graft(t, left, after, name, 2)
					}
				}
				t.Run(fmt.Sprintf("offsets=%v,files=%d,half=%v", withOffsets, n, half), func(t *testing.T) {
					t.Parallel()
					expectWhole(t, left, withOffsets, n == len(steps))
				})
			}
		}
	}
	f(true)
	f(false)
}

// written returns the files that the commit made longer, in the order in which it does.
func written(t *testing.T, before, after string) []string {
	t.Helper()
	var logs, last []string
	err := filepath.WalkDir(after, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(after, path)
		if size(t, path) <= size(t, filepath.Join(before, name)) || filepath.Base(name) == "pids.log" {
			return nil
		}
		if filepath.Base(name) == groupsLog {
			last = append(last, name)
			return nil
		}
		logs = append(logs, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortStableFunc(logs, func(a, b string) int { // .dat before .idx
		if filepath.Dir(a) != filepath.Dir(b) {
			return 0
		}
		return len(filepath.Ext(a)) - len(filepath.Ext(b))
	})
	return append(logs, last...)
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// graft makes a file of the folder as long as it is in another one, or half way to it.
func graft(t *testing.T, folder, from, name string, part int64) {
	t.Helper()
	p, err := os.ReadFile(filepath.Join(from, name))
	if err != nil {
		t.Fatal(err)
	}
	had := size(t, filepath.Join(folder, name))
	if err := os.WriteFile(filepath.Join(folder, name), p[:had+(int64(len(p))-had)/part], 0o600); err != nil {
		t.Fatal(err)
	}
}

func expectWhole(t *testing.T, folder string, withOffsets, want bool) {
	t.Helper()
	b := start(t, Config{Dir: folder, NoSync: true})
	defer b.Close()
	values, offset := []string{"first"}, int64(1)
	if want {
		values, offset = append(values, "second"), 2
	}
	got := valuesOf(t, b, torn...)
	for _, topic := range torn {
		if !slices.Equal(got[topic], values) {
			t.Errorf("%s: got %q, want %q", topic, got[topic], values)
		}
	}
	if !withOffsets {
		return
	}
	offsets, err := kadm.NewClient(client(t, b)).FetchOffsets(t.Context(), "group")
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := offsets.Lookup("in", 0); got.At != offset {
		t.Errorf("committed offset %d, want %d", got.At, offset)
	}
}

// valuesOf returns the committed values of topics: it writes a last one to each, so that
// nothing has to be waited for.
func valuesOf(t *testing.T, b *tested, topics ...string) map[string][]string {
	t.Helper()
	cl := client(t, b, kgo.ConsumeTopics(topics...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
	for _, topic := range topics {
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte("end")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	got := make(map[string][]string)
	for ended := 0; ended < len(topics) && t.Context().Err() == nil; {
		for _, r := range cl.PollFetches(t.Context()).Records() {
			if string(r.Value) == "end" {
				ended++
				continue
			}
			got[r.Topic] = append(got[r.Topic], string(r.Value))
		}
	}
	return got
}

func TestNoteOfACommitLongOverChangesNothing(t *testing.T) {
	t.Parallel()
	_, after := commitOnce(t, true)
	note, err := os.ReadFile(filepath.Join(after, noteName))
	if err != nil {
		t.Fatal(err)
	}
	if len(note) == 0 {
		t.Fatal("the copy has no note: nothing is tested")
	}
	b := start(t, Config{Dir: after, NoSync: true})
	for _, v := range []string{"third", "fourth"} {
		if err := client(t, b).ProduceSync(t.Context(), &kgo.Record{Topic: "out-a", Value: []byte(v)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	after = crash(t, after)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(after, noteName), note, 0o600); err != nil { // as after a power cut
		t.Fatal(err)
	}
	b = start(t, Config{Dir: after, NoSync: true})
	defer b.Close()
	if got, want := valuesOf(t, b, "out-a")["out-a"], []string{"first", "second", "third", "fourth"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
