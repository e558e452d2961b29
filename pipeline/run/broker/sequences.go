package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The cluster knows the last sequence numbers of each producer, so that a batch that is sent
// again is taken once and none is taken before the one that precedes it. It writes them to
// its folder at an orderly end only. After a crash it would know none, or those of an end
// long ago, and take the first batch that comes from a producer, whatever its number. Of
// several that were under way in the crash that need not be the next one: the next one is
// refused then for ever, and the producer gives all of them new numbers and sends them
// again, those that were taken as well.
//
// So a start after a crash works the numbers out from the logs, as Apache Kafka does.
// Producers with transactions are left out: their transactions are gone, see lives.go.

// sequencesName is the file of the cluster, sequencesVersion that of its format.
const (
	sequencesName    = "seq_windows.json"
	sequencesVersion = 1
)

// lastSegments is how many segments of a partition are looked at: the last batches of a
// producer that was at work in the crash are in the last, or in the one before it if that
// was begun just then. A producer that is in neither may go on with any number.
const lastSegments = 2

// window is what the cluster knows of a producer in a partition, in the form of its file:
// the last batches, the oldest first if there are fewer than the array holds.
type window struct {
	Producer  int64    `json:"pid"`
	Topic     string   `json:"topic"`
	Partition int32    `json:"partition"`
	Batches   [5]batch `json:"entries"`
	Count     uint8    `json:"count"`
	At        uint8    `json:"at"` // where the next batch is put
	Epoch     int16    `json:"epoch"`
	Seen      bool     `json:"seen"`
	Next      int32    `json:"next_seq"`
}

// batch is a batch that was taken: its first sequence number, the one after its last, and
// its offset.
type batch struct {
	First  int32 `json:"first_seq"`
	Next   int32 `json:"next_seq"`
	Offset int64 `json:"offset"`
}

// push adds the next batch of the producer.
func (w *window) push(epoch int16, b batch) {
	if epoch != w.Epoch {
		w.Batches, w.Count, w.At = [5]batch{}, 0, 0
	}
	w.Epoch, w.Seen, w.Next = epoch, true, b.Next
	w.Batches[w.At] = b
	w.At = (w.At + 1) % uint8(len(w.Batches))
	w.Count = min(w.Count+1, uint8(len(w.Batches)))
}

// rebuildSequences writes the file of sequence numbers anew, from the logs in the cluster's
// folder. A folder without a cluster stays as it is.
func rebuildSequences(data string) error {
	dirs, err := os.ReadDir(filepath.Join(data, partitionsDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	all := []window{}
	for _, d := range dirs {
		found, err := partitionSequences(filepath.Join(data, partitionsDir, d.Name()))
		if err != nil {
			return fmt.Errorf("sequence numbers of %s: %w", d.Name(), err)
		}
		all = append(all, found...)
	}
	text, err := json.Marshal(struct {
		Version int      `json:"version"`
		Windows []window `json:"windows"`
	}{sequencesVersion, all})
	if err != nil {
		return err
	}
	name := filepath.Join(data, sequencesName)
	if err := os.WriteFile(name+".tmp", text, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".tmp", name)
}

// partitionSequences reads the last segments of a partition.
func partitionSequences(dir string) ([]window, error) {
	topic, partition, ok := partitionOf(filepath.Base(dir))
	if !ok {
		return nil, nil
	}
	bases, err := segments(dir)
	if err != nil {
		return nil, err
	}
	windows := map[int64]*window{}
	for _, base := range bases[max(0, len(bases)-lastSegments):] {
		if err := addSegment(windows, filepath.Join(dir, strconv.FormatInt(base, 10)+".dat")); err != nil {
			return nil, err
		}
	}
	var all []window
	for _, w := range windows {
		w.Topic, w.Partition = topic, partition
		all = append(all, *w)
	}
	return all, nil
}

// addSegment adds the batches of a segment to the windows of their producers.
func addSegment(windows map[int64]*window, name string) (err error) {
	segment, err := os.Open(name) //nolint:gosec // a log of the data folder
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, segment.Close()) }()
	return eachBatch(segment, func(h header) {
		if h.producer < 0 || h.attributes&(transactional|control) != 0 {
			return
		}
		w := windows[h.producer]
		if w == nil {
			w = &window{Producer: h.producer, Epoch: h.epoch}
			windows[h.producer] = w
		}
		next := int32((int64(h.sequence) + int64(h.records)) % math.MaxInt32)
		w.push(h.epoch, batch{First: h.sequence, Next: next, Offset: h.offset})
	})
}

// partitionOf reads the name of a partition's folder: the escaped topic, '-', a number.
func partitionOf(name string) (topic string, partition int32, ok bool) {
	dash := strings.LastIndexByte(name, '-')
	if dash < 0 {
		return "", 0, false
	}
	topic, err := url.PathUnescape(name[:dash])
	if err != nil {
		return "", 0, false
	}
	n, err := strconv.ParseInt(name[dash+1:], 10, 32)
	return topic, int32(n), err == nil
}

// segments returns the first offsets of the segments in a partition's folder, ascending.
func segments(dir string) (bases []int64, err error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		name, isSegment := strings.CutSuffix(f.Name(), ".dat")
		if base, err := strconv.ParseInt(name, 10, 64); err == nil && isSegment {
			bases = append(bases, base)
		}
	}
	slices.Sort(bases)
	return bases, nil
}
