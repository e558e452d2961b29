package oracle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// ReadEffects reads the log of the fake vendor: one JSON object a line. A vendor that was
// never asked has no log. A last line without its end was being written when the vendor
// was killed; the vendor answers only after the line is whole, so it is no effect.
func (o *Observed) ReadEffects(path string) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("oracle: effects: %w", err)
	}
	for n := 1; ; n++ {
		line, rest, whole := bytes.Cut(text, []byte{'\n'})
		if !whole {
			return nil
		}
		var e Effect
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("oracle: effects: line %d: %w", n, err)
		}
		o.Effects = append(o.Effects, e)
		text = rest
	}
}
