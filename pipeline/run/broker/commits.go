package broker

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// commits makes the commit of a transaction one step over kill -9. The cluster ends a
// transaction with a marker in each partition, one after the other, and then an entry for
// each offset in the log of the groups. Killed on the way it would leave some partitions
// committed and others not, or outputs without the offsets they belong to.
//
// So the lengths of all logs are noted before a commit begins. The cluster does everything
// in one goroutine: until it looks at the next request, nothing but that commit is written.
// A start that finds such a note either sees that the commit is whole and leaves it, or
// cuts the logs back to the noted lengths: the transaction is aborted everywhere then, as
// any that was open in a crash. Nobody was told of it: the answer follows the last write.
type commits struct {
	dir   string // of the cluster's data
	note  *os.File
	sync  bool
	noted bool // the note may be about a commit under way
	open  map[string]*openTxn
}

// openTxn is what a transaction, by its id, is going to commit.
type openTxn struct {
	partitions map[string]bool
	offsets    map[string]bool
}

// commitNote is what the note says. Lengths are those of the logs, by path below the
// cluster's folder.
type commitNote struct {
	Lengths    map[string]int64 `json:"lengths"`
	Partitions int              `json:"partitions"` // get a marker
	Offsets    int              `json:"offsets"`    // get an entry
}

// noteName is the file of the note, beside the lock file.
const noteName = "COMMIT"

// groupsLog is the cluster's log of groups, partitionsDir the folder of its partitions.
const (
	groupsLog     = "groups.log"
	partitionsDir = "partitions"
)

// openCommits mends what a crash left in the folder and opens the note.
func openCommits(dir, data string, sync bool) (*commits, error) {
	f, err := os.OpenFile(filepath.Join(dir, noteName), os.O_CREATE|os.O_RDWR, 0o640) //nolint:gosec // the path is the operator's data folder
	if err != nil {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	c := &commits{dir: data, note: f, sync: sync, open: make(map[string]*openTxn)}
	if err := c.mend(); err != nil {
		return nil, errors.Join(fmt.Errorf("embedded broker: mend a commit that a crash cut off: %w", err), f.Close())
	}
	return c, nil
}

// watch follows the transactions of a cluster. It must come after what changes their ids.
func (c *commits) watch(cluster *kfake.Cluster) {
	cluster.Control(func(r kmsg.Request) (kmsg.Response, error, bool) {
		if c.noted { // whatever was under way is done, or this would not run
			c.noted = false
			if err := c.note.Truncate(0); err != nil {
				return nil, err, true
			}
		}
		switch r := r.(type) {
		case *kmsg.ProduceRequest:
			c.produced(r)
		case *kmsg.TxnOffsetCommitRequest:
			c.offsets(r)
		case *kmsg.EndTxnRequest:
			txn := c.open[r.TransactionalID]
			delete(c.open, r.TransactionalID)
			if r.Commit && txn != nil {
				if err := c.begin(txn); err != nil {
					return nil, err, true // closes the connection: the client does not know, and asks again
				}
			}
		}
		return nil, nil, false
	})
}

func (c *commits) txn(id string) *openTxn {
	t := c.open[id]
	if t == nil {
		t = &openTxn{partitions: make(map[string]bool), offsets: make(map[string]bool)}
		c.open[id] = t
	}
	return t
}

func (c *commits) produced(r *kmsg.ProduceRequest) {
	if r.TransactionID == nil {
		return
	}
	t := c.txn(*r.TransactionID)
	for i := range r.Topics {
		for _, p := range r.Topics[i].Partitions {
			t.partitions[fmt.Sprintf("%s %x %d", r.Topics[i].Topic, r.Topics[i].TopicID, p.Partition)] = true
		}
	}
}

func (c *commits) offsets(r *kmsg.TxnOffsetCommitRequest) {
	t := c.txn(r.TransactionalID)
	for i := range r.Topics {
		for _, p := range r.Topics[i].Partitions {
			t.offsets[fmt.Sprintf("%s %s %x %d", r.Group, r.Topics[i].Topic, r.Topics[i].TopicID, p.Partition)] = true
		}
	}
}

// begin notes the lengths before a commit.
func (c *commits) begin(t *openTxn) error {
	lengths, err := c.lengths()
	if err != nil {
		return err
	}
	text, err := json.Marshal(commitNote{Lengths: lengths, Partitions: len(t.partitions), Offsets: len(t.offsets)})
	if err != nil {
		return err
	}
	c.noted = true
	if _, err := c.note.WriteAt(text, 0); err != nil {
		return err
	}
	if c.sync {
		return c.note.Sync()
	}
	return nil
}

// lengths returns the lengths of all logs.
func (c *commits) lengths() (map[string]int64, error) {
	all := make(map[string]int64)
	err := filepath.WalkDir(c.dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a new folder
		}
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(c.dir, path)
		if err != nil || !isLog(name) {
			return err
		}
		info, err := d.Info()
		if err == nil {
			all[name] = info.Size()
		}
		return err
	})
	return all, err
}

// isLog reports whether a commit writes to the file of that name.
func isLog(name string) bool {
	switch filepath.Ext(name) {
	case ".dat", ".idx":
		return strings.HasPrefix(name, partitionsDir+string(filepath.Separator))
	}
	return name == groupsLog
}

// mend completes or undoes what a crash cut off.
func (c *commits) mend() error {
	text, err := os.ReadFile(c.note.Name())
	if err != nil {
		return err
	}
	var n commitNote
	if json.Unmarshal(text, &n) != nil {
		return c.note.Truncate(0) // none, or one that was not whole yet: the commit had not begun
	}
	for name, length := range n.Lengths {
		if length < 0 {
			return fmt.Errorf("%s: %s has the length %d: the disk is damaged", noteName, name, length)
		}
	}
	now, err := c.lengths()
	if err != nil {
		return err
	}
	whole, err := c.whole(&n, now)
	if err != nil {
		return err
	}
	if !whole {
		if err := c.undo(&n, now); err != nil {
			return err
		}
	}
	return c.note.Truncate(0)
}

// whole reports whether every partition has its marker and every offset its entry. Logs
// that are shorter than noted were rewritten since: then the commit is long over.
func (c *commits) whole(n *commitNote, now map[string]int64) (bool, error) {
	for name, length := range n.Lengths {
		if now[name] < length {
			return true, nil
		}
	}
	grown := make(map[string]bool)
	for name, length := range now {
		if filepath.Ext(name) == ".idx" && length > n.Lengths[name] { // written after the .dat
			grown[filepath.Dir(name)] = true
		}
	}
	if len(grown) < n.Partitions || n.Offsets == 0 {
		return len(grown) >= n.Partitions, nil
	}
	text, err := os.ReadFile(filepath.Join(c.dir, groupsLog))
	if err != nil {
		return false, err
	}
	return commitEntries(text[n.Lengths[groupsLog]:]) >= n.Offsets, nil
}

// commitEntries counts the offsets in a piece of the groups' log. An entry is a length and
// a checksum, four bytes each, and as many bytes as the length says: two of a version, and
// a JSON object.
func commitEntries(p []byte) (n int) {
	for len(p) >= 10 {
		length := binary.LittleEndian.Uint32(p)
		if length < 2 || uint64(len(p)) < 8+uint64(length) {
			break
		}
		var entry struct{ Type string }
		if json.Unmarshal(p[10:8+length], &entry) == nil && entry.Type == "commit" {
			n++
		}
		p = p[8+length:]
	}
	return n
}

// undo cuts the logs back to the noted lengths. Doing it again changes nothing.
func (c *commits) undo(n *commitNote, now map[string]int64) error {
	for name, length := range now {
		noted, was := n.Lengths[name]
		path := filepath.Join(c.dir, name)
		switch {
		case !was:
			if err := os.Remove(path); err != nil {
				return err
			}
		case length > noted:
			if err := cut(path, noted); err != nil {
				return err
			}
		}
	}
	return nil
}

func cut(path string, length int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0) //nolint:gosec // a log of the data folder
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(length), f.Sync(), f.Close())
}

// close ends the watch after an orderly end of the cluster.
func (c *commits) close() error {
	return errors.Join(c.note.Truncate(0), c.note.Close())
}
