package main

import (
	"bytes"
	"os"
	"runtime/metrics"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// counters is what a node has used up since it started; PeakRSS is the
// exception. Differences of two say what a load cost.
type counters struct {
	CPU             time.Duration // user and system time
	ContextSwitches uint64

	DataSyncs uint64
	FullSyncs uint64
	DirSyncs  uint64
	DataTime  time.Duration // in data syncs; several may run at once
	LogWrites uint64
	LogBytes  uint64 // that the log wrote to its files
	DiskBytes uint64 // of pages that this process made the system write
	DiskKnown bool   // DiskBytes could be read

	SocketWrites uint64
	Packets      uint64
	WireBytes    uint64

	AllocObjects uint64
	AllocBytes   uint64

	Instances uint64 // over all groups
	PeakRSS   uint64 // bytes, since the last resetPeak; 0 if unknown
}

// syncs is how often the disk was asked to make something durable.
func (c *counters) syncs() uint64 { return c.DataSyncs + c.FullSyncs + c.DirSyncs }

// since returns what was used between an earlier moment and c.
func (c counters) since(earlier counters) counters {
	return counters{
		CPU:             c.CPU - earlier.CPU,
		ContextSwitches: c.ContextSwitches - earlier.ContextSwitches,
		DataSyncs:       c.DataSyncs - earlier.DataSyncs,
		FullSyncs:       c.FullSyncs - earlier.FullSyncs,
		DirSyncs:        c.DirSyncs - earlier.DirSyncs,
		DataTime:        c.DataTime - earlier.DataTime,
		LogWrites:       c.LogWrites - earlier.LogWrites,
		LogBytes:        c.LogBytes - earlier.LogBytes,
		DiskBytes:       c.DiskBytes - earlier.DiskBytes,
		DiskKnown:       c.DiskKnown && earlier.DiskKnown,
		SocketWrites:    c.SocketWrites - earlier.SocketWrites,
		Packets:         c.Packets - earlier.Packets,
		WireBytes:       c.WireBytes - earlier.WireBytes,
		AllocObjects:    c.AllocObjects - earlier.AllocObjects,
		AllocBytes:      c.AllocBytes - earlier.AllocBytes,
		Instances:       c.Instances - earlier.Instances,
		PeakRSS:         c.PeakRSS,
	}
}

// plus returns what two nodes used together; PeakRSS is that of the larger.
func (c counters) plus(other counters) counters {
	return counters{
		CPU:             c.CPU + other.CPU,
		ContextSwitches: c.ContextSwitches + other.ContextSwitches,
		DataSyncs:       c.DataSyncs + other.DataSyncs,
		FullSyncs:       c.FullSyncs + other.FullSyncs,
		DirSyncs:        c.DirSyncs + other.DirSyncs,
		DataTime:        c.DataTime + other.DataTime,
		LogWrites:       c.LogWrites + other.LogWrites,
		LogBytes:        c.LogBytes + other.LogBytes,
		DiskBytes:       c.DiskBytes + other.DiskBytes,
		DiskKnown:       c.DiskKnown && other.DiskKnown,
		SocketWrites:    c.SocketWrites + other.SocketWrites,
		Packets:         c.Packets + other.Packets,
		WireBytes:       c.WireBytes + other.WireBytes,
		AllocObjects:    c.AllocObjects + other.AllocObjects,
		AllocBytes:      c.AllocBytes + other.AllocBytes,
		Instances:       c.Instances + other.Instances,
		PeakRSS:         max(c.PeakRSS, other.PeakRSS),
	}
}

// readProcess fills in what the system and the runtime know of this process.
func (c *counters) readProcess() error {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return os.NewSyscallError("getrusage", err)
	}
	c.CPU = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	c.ContextSwitches = uint64(usage.Nvcsw + usage.Nivcsw)
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:objects"}, {Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(samples)
	c.AllocObjects, c.AllocBytes = samples[0].Value.Uint64(), samples[1].Value.Uint64()
	// Without /proc, or where it hides these files, the figures are missing;
	// that is shown and is no failure.
	c.DiskBytes, c.DiskKnown = procField("/proc/self/io", "write_bytes:")
	kib, _ := procField("/proc/self/status", "VmHWM:")
	c.PeakRSS = kib << 10
	return nil
}

// resetPeak makes the peak of the memory begin anew. Where that is not
// possible the peak is the one since the process started.
func resetPeak() {
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
}

// procField reads the number behind a name in a file of /proc.
func procField(file, name string) (uint64, bool) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	return parseField(data, name)
}

func parseField(data []byte, name string) (uint64, bool) {
	for line := range bytes.Lines(data) {
		fields := bytes.Fields(line)
		if len(fields) < 2 || string(fields[0]) != name {
			continue
		}
		n, err := strconv.ParseUint(string(fields[1]), 10, 64)
		return n, err == nil
	}
	return 0, false
}
