package normalise

import (
	"slices"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
)

// plan is a compiled mapping. It is read by many stages at once and never changed.
type plan struct {
	source    string
	decode    func(dst, record []byte) ([]byte, error)
	root      *node
	nodes     int // in the tree of root
	slots     int
	absent    []string
	requires  []int
	batch     int // slot, -1 = none
	id        []int
	idLength  int
	volatile  []int
	times     []timeOp
	classFrom int // slot, -1 = none
	classes   []classPlan
	selector  selector
	seed      uint64
}

type timeOp struct {
	slot   int
	format timeFormat
}

// classPlan makes an event of one class.
type classPlan struct {
	name     string
	when     []cond
	class    pipeline.Class
	activity []way
	severity []way
	ops      []op // by field, then in the order of the mapping
	entities []entitySpec
}

// op is one way to fill a field. It is small and lies beside the next one, because most of
// a class's ops find nothing in a record.
type op struct {
	slot  int16          // of way, to see whether there is anything; -1 = constant
	field pipeline.Field // to fill
	next  int32          // the op to go on with once the field is filled
	way   *way
}

// way is one way to get a value.
type way struct {
	when  []cond
	slot  int // -1 = konst
	konst pipeline.Value
	text  string // konst as text
	enum  map[string]string
	other string
	fn    function
	arg   string
}

// cond holds when the text of a slot is one of texts, begins with one of prefixes, or is
// there at all; not turns it around.
type cond struct {
	slot     int
	texts    []string
	prefixes []string
	any      bool
	not      bool
}

// selector narrows the classes down by the text of one slot, so that a mapping with many
// classes does not try them all.
type selector struct {
	slot   int              // -1 = none
	byText map[string][]int // classes that can hold for a text, in order
	rest   []int            // those for any other text
}

// newSelector chooses the slot on which most classes have a condition with texts alone.
func newSelector(classes []classPlan) selector {
	votes := map[int]int{}
	best := -1
	for _, c := range classes {
		for _, w := range c.when {
			if len(w.texts) > 0 && !w.not {
				if votes[w.slot]++; best < 0 || votes[w.slot] > votes[best] {
					best = w.slot
				}
			}
		}
	}
	s := selector{slot: best, byText: map[string][]int{}}
	for _, c := range classes {
		for _, w := range c.when {
			if w.slot == best {
				for _, t := range w.texts {
					s.byText[t] = nil
				}
			}
		}
	}
	for i := range classes {
		for text := range s.byText {
			if classes[i].possible(best, text) {
				s.byText[text] = append(s.byText[text], i)
			}
		}
		if classes[i].possible(best, "\x00") { // a text that no condition names
			s.rest = append(s.rest, i)
		}
	}
	return s
}

// possible reports whether the class's conditions on slot hold for text.
func (c *classPlan) possible(slot int, text string) bool {
	for i := range c.when {
		if w := &c.when[i]; w.slot == slot && len(w.prefixes) == 0 && !w.any && w.matches(text) == w.not {
			return false
		}
	}
	return true
}

// matches reports whether text is what the condition names, before not.
func (w *cond) matches(text string) bool {
	if w.any {
		return true
	}
	if slices.Contains(w.texts, text) {
		return true
	}
	for _, t := range w.prefixes {
		if strings.HasPrefix(text, t) {
			return true
		}
	}
	return false
}
