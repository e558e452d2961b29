package normalise

import "github.com/riposte-sec/riposte/pipeline"

// Parser is the first half of a Stage by itself: it checks a record and finds the values
// that the mapping reads, without making an event of them. It serves measurements and tools
// that ask what a mapping sees. Not safe for concurrent use.
type Parser struct {
	stage *Stage
	arena pipeline.Arena
}

// Parser returns the parser of a source, false if there is no such source.
func (c *Compiled) Parser(source string) (*Parser, bool) {
	s, ok := c.Stage(source).(*Stage)
	return &Parser{stage: s}, ok
}

// Parse checks record, which must be neither packed nor in need of the source's decoder, as
// the stage does, and reads the text of every value that the mapping asks for. It returns
// how many of them there are and the reason for which the stage would reject the record, ""
// for none. It allocates nothing once its buffers have grown.
func (p *Parser) Parse(record []byte) (found int, reason string) {
	p.arena.Reset()
	object, _ := p.stage.read(&p.arena, record)
	if object == nil {
		return 0, p.stage.scan.reason
	}
	for slot := range p.stage.scan.slots {
		if p.stage.text(slot) != "" {
			found++
		}
	}
	return found, ""
}

// Claimed returns the event time that record gives itself, as its vendor wrote it, 0 if
// there is none or the record would be rejected.
func (p *Parser) Claimed(record []byte) pipeline.Millis {
	p.arena.Reset()
	p.stage.scan.arena = &p.arena
	text, reason, _ := p.stage.open(&p.arena, record)
	if reason != "" {
		return 0
	}
	if object, _ := p.stage.read(&p.arena, text); object == nil {
		return 0
	}
	return p.stage.time()
}
