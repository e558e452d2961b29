package run

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
)

func testFrame() frame {
	return frame{
		Kind: frameDelta, Version: 3, Seq: 9, Partition: 2, Next: 1 << 40, Watermark: 1700000000000,
		Stage: "ingest", Topic: "raw.zeek", Payload: []byte("what changed"),
	}
}

func TestFrameReadsBackAsItWasWritten(t *testing.T) {
	t.Parallel()
	want := testFrame()
	var got frame
	if err := got.parse(want.appendTo(nil)); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestDamagedFrameIsRefused(t *testing.T) {
	t.Parallel()
	f := testFrame()
	whole := f.appendTo(nil)
	for i := range whole {
		bad := bytes.Clone(whole)
		bad[i] ^= 0x40
		var got frame
		if err := got.parse(bad); !errors.Is(err, errDamaged) && !errors.Is(err, errNewer) {
			t.Errorf("byte %d flipped: got %v, want it refused", i, err)
		}
		if err := got.parse(whole[:i]); !errors.Is(err, errDamaged) {
			t.Errorf("cut to %d bytes: got %v, want it refused", i, err)
		}
	}
}

func TestFrameOfALaterFormIsRefusedAsNewer(t *testing.T) {
	t.Parallel()
	f := testFrame()
	b := f.appendTo(nil)
	b[3] = '2'
	if err := new(frame).parse(b); !errors.Is(err, errNewer) {
		t.Errorf("got %v, want errNewer", err)
	}
}

func FuzzFrame(f *testing.F) {
	whole := testFrame()
	f.Add(whole.appendTo(nil))
	f.Add([]byte("RPS1"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var got frame
		if got.parse(b) != nil {
			return
		}
		if again := got.appendTo(nil); !bytes.Equal(again, b) {
			t.Errorf("got %x, want %x", again, b)
		}
	})
}
