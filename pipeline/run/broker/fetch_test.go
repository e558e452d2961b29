package broker

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestAnswerThatIsCutShortTellsWhatWasAborted reads with answers of every size, so that some
// end between an aborted batch and its marker.
func TestAnswerThatIsCutShortTellsWhatWasAborted(t *testing.T) {
	t.Parallel()
	b := start(t, Config{})
	defer b.Close()
	if _, err := kadm.NewClient(client(t, b)).CreateTopic(t.Context(), 1, 1, nil, "events"); err != nil {
		t.Fatal(err)
	}
	cl := client(t, b, kgo.TransactionalID("t"), kgo.DefaultProduceTopic("events"), kgo.ProducerBatchCompression(kgo.NoCompression()))
	const transactions = 24
	for i := range transactions {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		commit, value := kgo.TryCommit, "committed"
		if i%2 == 1 {
			commit, value = kgo.TryAbort, "aborted"
		}
		if err := cl.ProduceSync(t.Context(), kgo.StringRecord(value+strings.Repeat(".", 1000))).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := cl.EndTransaction(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
	}
	for most := int32(2000); most < 16_000; most += 3000 {
		seen := 0
		for _, v := range committed(t, b, "events", kgo.FetchMaxBytes(most), kgo.FetchMaxPartitionBytes(1<<20)) {
			seen++
			if strings.HasPrefix(v, "aborted") {
				t.Errorf("answers of at most %d bytes show an aborted record", most)
				break
			}
		}
		if seen != transactions/2 {
			t.Errorf("answers of at most %d bytes: %d records, want %d", most, seen, transactions/2)
		}
	}
}
