package ut

import (
	"os"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/ut/gtest"
)

// report is what bin/phxpaxos_ut prints; under go test it is silent.
var report gtest.Report

func TestMain(m *testing.M) { os.Exit(report.Main(m)) }
