package main

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// figures is what a load came to. Fields with an O are per operation over all
// processes that this program started.
type figures struct {
	Groups     int     `json:"groups"`
	ValueBytes int     `json:"valueBytes"`
	Callers    int     `json:"callers"`
	Rate       float64 `json:"rate"`         // 0: closed loop
	Stalled    bool    `json:"stalled"`      // the first proposer's disk stood still
	Start      float64 `json:"startSeconds"` // until all nodes ran, behind which each group decided once

	Seconds    float64 `json:"seconds"`
	Ops        int64   `json:"ops"`        // ended in the measured time
	Unfinished int64   `json:"unfinished"` // due in it and given up; their latency counts as their age
	OpsPerSec  float64 `json:"opsPerSecond"`

	P50  time.Duration `json:"p50Nanoseconds"`
	P99  time.Duration `json:"p99Nanoseconds"`
	P999 time.Duration `json:"p999Nanoseconds"`
	Max  time.Duration `json:"maxNanoseconds"`

	CPUPercent           float64       `json:"cpuPercentPerNode"` // of one processor
	CPUPer10kOps         float64       `json:"cpuSecondsPer10000Ops"`
	SyncsPerSec          float64       `json:"syncsPerSecond"`          // over all nodes
	SyncsPerOp           float64       `json:"syncsPerOp"`              // over all nodes
	SyncsPerInstanceNode float64       `json:"syncsPerInstanceAndNode"` //
	DataSyncMean         time.Duration `json:"dataSyncMeanNanoseconds"`
	OpsPerInstance       float64       `json:"opsPerInstance"`             // the size of a batch
	OpsPerSync           float64       `json:"opsPerSync"`                 // of one node
	DiskPerPayload       float64       `json:"diskBytesPerPayloadByte"`    // over all nodes; -1 if unknown
	LogPerPayload        float64       `json:"logBytesPerPayloadByte"`     // over all nodes
	PacketsPerOp         float64       `json:"packetsPerOp"`               //
	WireBytesPerOp       float64       `json:"wireBytesPerOp"`             //
	SocketWritesPerOp    float64       `json:"socketWritesPerOp"`          //
	SwitchesPerOp        float64       `json:"contextSwitchesPerOp"`       //
	AllocsPerOp          float64       `json:"allocsPerOp"`                //
	AllocBytesPerOp      float64       `json:"allocBytesPerOp"`            //
	ProposerAllocsPerOp  float64       `json:"allocsPerOpOfFirstProposer"` // of its own process
	PeakRSS              uint64        `json:"peakRSSBytes"`               // of the largest process; 0 if unknown

	Nodes []counters `json:"nodes"` // what each used up in the measured time
	Life  []counters `json:"life"`  // and since it started
}

// measurement is what a load left behind.
type measurement struct {
	row      row
	rate     float64
	proposer int // index of the first proposer in the counters
	before   []counters
	after    []counters
	outcomes []*outcome
}

// figures does the arithmetic.
func (m *measurement) figures() (*figures, error) {
	latency, err := mergeOutcomes(m.outcomes)
	if err != nil {
		return nil, err
	}
	f := &figures{
		Groups: m.row.Groups, ValueBytes: m.row.ValueBytes, Callers: m.row.Callers, Rate: m.rate, Life: m.after,
	}
	var all counters
	for i := range m.after {
		used := m.after[i].since(m.before[i])
		f.Nodes = append(f.Nodes, used)
		if i == 0 {
			all = used
		} else {
			all = all.plus(used)
		}
	}
	for _, o := range m.outcomes {
		f.Ops += o.Completed
		f.Unfinished += o.Unfinished
		f.OpsPerSec += ratio(float64(o.Completed), o.Took.Seconds())
		f.Seconds = max(f.Seconds, o.Took.Seconds())
	}
	f.latencies(latency)
	f.costs(all, len(m.after))
	f.ProposerAllocsPerOp = ratio(float64(f.Nodes[m.proposer].AllocObjects), float64(f.Ops))
	return f, nil
}

func (f *figures) latencies(h *hdrhistogram.Histogram) {
	f.P50 = time.Duration(h.ValueAtQuantile(50))
	f.P99 = time.Duration(h.ValueAtQuantile(99))
	f.P999 = time.Duration(h.ValueAtQuantile(99.9))
	f.Max = time.Duration(h.Max())
}

// costs relates what all nodes used up to what was done.
func (f *figures) costs(all counters, nodes int) {
	ops, syncs := float64(f.Ops), float64(all.syncs())
	payload := ops * float64(f.ValueBytes)
	f.CPUPercent = ratio(all.CPU.Seconds(), f.Seconds*float64(nodes)) * 100
	f.CPUPer10kOps = ratio(all.CPU.Seconds(), ops) * 10000
	f.SyncsPerSec = ratio(syncs, f.Seconds)
	f.SyncsPerOp = ratio(syncs, ops)
	f.SyncsPerInstanceNode = ratio(syncs, float64(all.Instances))
	f.DataSyncMean = time.Duration(ratio(float64(all.DataTime), float64(all.DataSyncs)))
	f.OpsPerInstance = ratio(ops*float64(nodes), float64(all.Instances))
	f.OpsPerSync = ratio(ops*float64(nodes), syncs)
	f.DiskPerPayload = -1
	if all.DiskKnown {
		f.DiskPerPayload = ratio(float64(all.DiskBytes), payload)
	}
	f.LogPerPayload = ratio(float64(all.LogBytes), payload)
	f.PacketsPerOp = ratio(float64(all.Packets), ops)
	f.WireBytesPerOp = ratio(float64(all.WireBytes), ops)
	f.SocketWritesPerOp = ratio(float64(all.SocketWrites), ops)
	f.SwitchesPerOp = ratio(float64(all.ContextSwitches), ops)
	f.AllocsPerOp = ratio(float64(all.AllocObjects), ops)
	f.AllocBytesPerOp = ratio(float64(all.AllocBytes), ops)
	f.PeakRSS = all.PeakRSS
}

// ratio is a/b, and 0 where there is nothing to relate to.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
