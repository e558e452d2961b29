package sample_test

import (
	"fmt"
	"time"

	"github.com/riposte-sec/riposte/sources/sample"
)

func ExampleGenerator_Next() {
	cfg := sample.Default()
	cfg.Start = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	cfg.Duration = time.Minute
	g, err := sample.New(cfg)
	if err != nil {
		panic(err)
	}
	for r, ok := g.Next(); ok; r, ok = g.Next() {
		_ = r // produce r.Value under r.Key with r.Headers to raw.<r.Source>, at r.At
	}
	t := g.Truth()
	fmt.Println(t.Total.Records == t.Total.Unique+t.Total.Duplicates+t.Total.Broken, len(t.Runs))
	// Output: true 5
}
