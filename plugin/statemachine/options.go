package statemachine

import (
	"fmt"
	"log/slog"
	"time"
)

// Options says how a state machine's process is run. The zero value is ready
// to use.
type Options struct {
	Args []string // arguments of the program
	Env  []string // "NAME=value", on top of the environment of this process
	Dir  string   // its working directory; "" is what that of this process is when the first one is started

	// Logger takes what the process logs and what happens to it. nil: nothing
	// is logged.
	Logger *slog.Logger

	// CallTimeout is how long a call of Execute, BeforePropose, Query or one
	// that only asks may take. A process that takes longer is killed and
	// started again. 0 is 30 s: longer than a state machine is ever busy with
	// one instance, and still seen by whoever is on call.
	CallTimeout time.Duration
	// SnapshotTimeout is the same for taking and loading a snapshot, which
	// copy files. 0 is 10 min.
	SnapshotTimeout time.Duration
	// StartTimeout is how long the process may take until it can be called;
	// it may have to open its data. 0 is 1 min.
	StartTimeout time.Duration
	// StopTimeout is how long it may take to end when Close asks it to. Then
	// it is killed. 0 is 5 s.
	StopTimeout time.Duration
	// PingInterval is how often a process is asked for a sign of life. 0 is 5 s.
	PingInterval time.Duration
	// RestartPauseMin is the pause before a process that has ended is started
	// again. It doubles with every life that was shorter than RestartPauseMax,
	// up to that. 0 is 100 ms and 10 s: a crash loop must not eat the machine,
	// and nobody wants to wait minutes once the cause is gone.
	RestartPauseMin, RestartPauseMax time.Duration
}

func (o Options) withDefaults() (Options, error) {
	for _, d := range []struct {
		name  string
		value *time.Duration
		std   time.Duration
	}{
		{"CallTimeout", &o.CallTimeout, 30 * time.Second},
		{"SnapshotTimeout", &o.SnapshotTimeout, 10 * time.Minute},
		{"StartTimeout", &o.StartTimeout, time.Minute},
		{"StopTimeout", &o.StopTimeout, 5 * time.Second},
		{"PingInterval", &o.PingInterval, 5 * time.Second},
		{"RestartPauseMin", &o.RestartPauseMin, 100 * time.Millisecond},
		{"RestartPauseMax", &o.RestartPauseMax, 10 * time.Second},
	} {
		switch {
		case *d.value < 0:
			return o, fmt.Errorf("statemachine: %s is %v, must be 0 or more", d.name, *d.value)
		case *d.value == 0:
			*d.value = d.std
		}
	}
	if o.RestartPauseMin > o.RestartPauseMax {
		return o, fmt.Errorf("statemachine: RestartPauseMin is %v, must be at most RestartPauseMax = %v", o.RestartPauseMin, o.RestartPauseMax)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}
