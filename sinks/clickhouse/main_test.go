package clickhouse_test

import (
	"testing"

	"github.com/riposte-sec/riposte/sinks/clickhouse/chtest"
)

func TestMain(m *testing.M) { chtest.Main(m) }
