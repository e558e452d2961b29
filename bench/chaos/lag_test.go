package main

import (
	"testing"
	"time"
)

func TestLagIsTheAgeOfTheOldestUnreadRecord(t *testing.T) {
	t.Parallel()
	l := lag{seen: map[int32][]sample{}}
	start := time.Now()
	f := func(second int, end, read int64, want time.Duration) {
		t.Helper()
		got := l.age(start.Add(time.Duration(second)*time.Second), map[int32]int64{0: end, 1: 5}, map[int32]int64{0: read, 1: 5})
		if got != want {
			t.Errorf("second %d: got %v, want %v", second, got, want)
		}
	}
	f(0, 10, 10, 0)
	f(1, 20, 10, 0)
	f(4, 30, 10, 3*time.Second)
	f(5, 30, 20, time.Second) // what came in second 4 is unread
	f(9, 30, 29, 5*time.Second)
	f(10, 30, 30, 0)
}
