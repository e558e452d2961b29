// Command suite measures riposte against bare loops in one run and stores the ratios:
//
//	go run ./bench/suite            # three rounds, medians, into bench/results
//	go run ./bench/suite -smoke     # everything once, small, nothing stored
//	go run ./bench/suite -only n1,n5 -broker kafka
//	go run ./bench/suite soak       # half an hour of steady load: does memory grow?
//
// Machines are shared and noisy, so only ratios inside one run mean something. Each
// measured program is a process of its own that reports its CPU time; the broker is a
// process of its own too. The numbers are those of DESIGN section 8:
//
//	n1   ingest exactly-once : bare consume, parse, produce at-least-once, per CPU-second
//	n5   exactly-once : at-least-once, the same stage, per CPU-second
//	n6   event -> committed intent, p99 : produce -> consume round trip, p99
//	n7   MB of memory for a million remembered events
//	n9   keys per second of a restore : reading the state topic bare
//	n10  encoding/json : riposte's parser, time for an event of 20 fields
//	lanes  the whole path, raw record -> committed intent: two lanes a stage : one, per second
package main
