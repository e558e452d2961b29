package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/riposte-sec/riposte/bench/oracle"
)

// variant is a kind of fault.
type variant struct {
	name, help string

	brokerArgs  []string      // of serve-broker
	vendor      []string      // of serve-vendor
	crashPoints bool          // restarted workers get crash points
	proxy       bool          // workers reach ClickHouse through a proxy that can drop replies
	disk        int64         // bytes of the broker's file system, 0: it is that of the folder
	lateness    time.Duration // how long a worker may be away, 0: lateDefault
	poison      float64       // share of poison records, 0: that of the default plan
	// skew is how far the source's clock is off at a record, nil for never.
	skew func(sent int) time.Duration
	// play makes the faults while records are fed; it returns when there were enough of them.
	play func(ctx context.Context, g *game) error
	// after makes faults once everything has drained, and says what did not hold.
	after func(ctx context.Context, g *game) error
}

// game is one run of a variant.
type game struct {
	*stack
	feed *feeder
	rand *rand.Rand
	fed  <-chan struct{} // closed when the feeder has ended
}

// vendorFaults make every way of not knowing whether an effect happened.
var vendorFaults = []string{"-busy", "0.05", "-break", "0.05", "-reset", "0.05", "-mute", "0.1"}

var variants = []variant{
	{name: "kills", help: "kill -9 of workers, brokers and ClickHouse, at random and at crash points", crashPoints: true, vendor: vendorFaults, play: playKills},
	{name: "clickhouse", help: "F3: ClickHouse is away, then applies inserts and drops the replies", proxy: true, play: playClickHouse},
	{name: "faults", help: "F5: the broker (kfake) answers with errors, applied or not", brokerArgs: []string{"-faults"}, play: playFaults},
	{name: "poison", help: "F6: one record in three is poison", poison: 0.33, play: playFor(15 * time.Second)},
	{name: "clock", help: "F7: the source's clock jumps an hour ahead and an hour back", skew: jump, play: playFor(20 * time.Second)},
	{name: "jump", help: "F7: the clock of the running workers jumps an hour ahead and an hour back", play: playJump},
	{name: "hang", help: "connections to the broker hang for seconds, twice", play: playHang},
	{name: "zombie", help: "a worker is frozen for longer than its session lasts and wakes up", lateness: 75 * time.Second, play: playZombie},
	{name: "state", help: "F9: a state topic is damaged; the partition is refused, the others go on", play: playFor(8 * time.Second), after: damageState},
	{name: "disk", help: "F8: the broker's disk is full for a while (needs root)", disk: 256 << 20, play: playDisk},
}

// How long, on the embedded broker and on Apache Kafka, some worker may be away before what
// it was about to read is late for the correlations. A run lasts as much longer.
const (
	lateDefault = 90 * time.Second
	lateKafka   = 3 * time.Minute
)

// slack is the lateness that workers are configured with.
func (v variant) slack(o options) time.Duration {
	d := lateDefault
	switch {
	case o.lateness > 0:
		d = o.lateness
	case o.broker != "kfake":
		d = lateKafka
	}
	return max(d, v.lateness)
}

func variantOf(name string) (variant, error) {
	i := slices.IndexFunc(variants, func(v variant) bool { return v.name == name })
	if i < 0 {
		return variant{}, fmt.Errorf("variant %q: -variant list names them", name)
	}
	return variants[i], nil
}

// playFor feeds for d.
func playFor(d time.Duration) func(context.Context, *game) error {
	return func(ctx context.Context, _ *game) error { return pause(ctx, d) }
}

// jump moves the source's clock for a stretch of records at a time: right, an hour ahead,
// right, an hour back.
func jump(sent int) time.Duration {
	switch sent / 500 % 4 {
	case 1:
		return time.Hour
	case 3:
		return -time.Hour
	}
	return 0
}

// playJump sets the clock of the workers an hour ahead, right, an hour back and right again,
// while records of every correlation are under way.
func playJump(ctx context.Context, g *game) error {
	for _, off := range []string{"3600", "0", "-3600", "0"} {
		if err := errors.Join(pause(ctx, 5*time.Second), os.WriteFile(g.clock(), []byte(off), 0o600)); err != nil {
			return err
		}
	}
	return pause(ctx, 2*time.Second)
}

func playClickHouse(ctx context.Context, g *game) error {
	for range 2 {
		if err := errors.Join(pause(ctx, 2*time.Second), g.killClickHouse(ctx, 8*time.Second)); err != nil {
			return err
		}
	}
	g.proxy.dropReplies(true)
	err := pause(ctx, 10*time.Second)
	g.proxy.dropReplies(false)
	return errors.Join(err, pause(ctx, 2*time.Second))
}

// playFaults lets the broker err for a while and then asks it to stop.
func playFaults(ctx context.Context, g *game) error {
	if g.o.broker != "kfake" {
		return errors.New("this variant needs -broker kfake")
	}
	if err := pause(ctx, 20*time.Second); err != nil {
		return err
	}
	return g.brokers.process(0).Signal(syscall.SIGHUP)
}

func playHang(ctx context.Context, g *game) error {
	for range 2 {
		if err := pause(ctx, 3*time.Second); err != nil {
			return err
		}
		p := g.brokers.process(0)
		if err := p.Pause(); err != nil {
			return err
		}
		if err := errors.Join(pause(ctx, between(g.rand, 6*time.Second, 9*time.Second)), p.Resume()); err != nil {
			return err
		}
	}
	return pause(ctx, 3*time.Second)
}

// sessionTimeout is how long Kafka waits for a worker: the default of riposte's lanes.
const sessionTimeout = 20 * time.Second

func playZombie(ctx context.Context, g *game) error {
	if err := pause(ctx, 3*time.Second); err != nil {
		return err
	}
	p := g.workers[len(g.workers)-1].current()
	if p == nil {
		return errors.New("the worker to freeze does not run")
	}
	if err := p.Pause(); err != nil {
		return err
	}
	return errors.Join(pause(ctx, sessionTimeout+8*time.Second), p.Resume(), pause(ctx, 5*time.Second))
}

// damageState stops the workers, appends bytes to one partition of a state topic that no
// worker wrote, starts the workers again and expects that this partition alone is refused.
func damageState(ctx context.Context, g *game) error {
	g.stopAll()
	if err := g.spoil(ctx, "state.ingest."+rawTopic, 0); err != nil {
		return err
	}
	before, err := g.topics().Ends(ctx)
	if err != nil {
		return err
	}
	if err := g.startAll(ctx); err != nil {
		return err
	}
	more, err := newFeeder(oracle.Default(g.o.seed+1, 2000), g.brokers.addrs(), 1000)
	if err != nil {
		return err
	}
	if err := more.run(ctx, func() bool { return false }); err != nil {
		return err
	}
	if _, err := still(ctx, g.topics()); err != nil {
		return err
	}
	return g.refusedAlone(ctx, before)
}
