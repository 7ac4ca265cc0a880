package sim

import (
	"errors"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/group"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// disk stands for the goroutine that writes for all groups of a node: what
// queued during one write goes with the next.
type disk struct {
	n       *node
	waiting []storage.Put
	seqs    []uint64 // of waiting
	flying  []storage.Put
	flySeqs []uint64
	busy    bool
	written bool          // flying is on the disk, and its groups are being told
	slow    time.Duration // a fault's extra
	stalled time.Duration // no write that begins now ends before
}

func (d *disk) reset() {
	d.waiting, d.seqs, d.flying, d.flySeqs, d.busy = d.waiting[:0], d.seqs[:0], d.flying[:0], d.flySeqs[:0], false
}

func (d *disk) save(group int, s group.Save) {
	d.waiting = append(d.waiting, storage.Put{Group: group, Instance: s.Instance, Data: s.Data, Sync: s.Sync})
	d.seqs = append(d.seqs, s.Seq)
	if !d.busy {
		d.begin()
	}
}

// begin starts a write of all that waits; it takes effect when it is done.
func (d *disk) begin() {
	w := d.n.w
	d.waiting, d.flying = d.flying[:0], d.waiting
	d.seqs, d.flySeqs = d.flySeqs[:0], d.seqs
	d.busy, d.written = true, false
	took := w.plan.disk.writeMin
	if mean := w.plan.disk.writeMean; mean > 0 && w.script == nil {
		took += time.Duration(w.randDisk.Int64N(2 * int64(mean)))
		if w.phase == chaos && w.plan.disk.tail > 0 && w.randDisk.IntN(1000) < w.plan.disk.tail {
			took *= 50
		}
	}
	if d.slow > 0 {
		took += time.Duration(w.randDisk.Int64N(int64(d.slow)))
	}
	w.events.push(event{at: max(w.now+took, d.stalled), kind: evDiskDone, node: int16(d.n.index), life: d.n.life})
}

// done ends the write under way and tells the groups, each once.
func (d *disk) done() {
	n := d.n
	n.w.stats.Writes++
	n.w.stats.Records += uint64(len(d.flying))
	err := n.log.Write(d.flying)
	d.written = true
	for g := range n.members {
		count, seq := d.of(g)
		if count == 0 {
			continue
		}
		if failed := errorOf(err, g); failed != nil {
			d.failed(g, failed)
		} else {
			n.checks[g].written(n.index, count)
			n.members[g].saved(seq)
		}
		if n.state != up || n.w.report.first != nil {
			return
		}
	}
	// Only now: what the groups have saved meanwhile goes with one write.
	if d.busy = false; len(d.waiting) > 0 {
		d.begin()
	}
}

// of counts a group's puts in the write under way; seq is that of the last.
func (d *disk) of(group int) (count int, seq uint64) {
	for i := range d.flying {
		if d.flying[i].Group == group {
			count++
			seq = d.flySeqs[i]
		}
	}
	return count, seq
}

func errorOf(err error, group int) error {
	var some *storage.WriteError
	if errors.As(err, &some) {
		return some.Groups[group]
	}
	return err
}

func (d *disk) failed(group int, err error) {
	for i := range d.flying {
		if d.flying[i].Group == group {
			d.n.w.tracef(d.n.name, "write fails: %v", err)
			d.n.members[group].saveFailed(d.flySeqs[i], err)
			return
		}
	}
}

// crash decides how much of the write under way still happened.
func (d *disk) crash() {
	r := d.n.w.randDisk
	if !d.busy || d.written || d.n.log == nil {
		return
	}
	switch r.IntN(3) {
	case 0: // nothing
	case 1:
		d.n.medium.cut(r.IntN(8))
		fallthrough
	default:
		_ = d.n.log.Write(d.flying) // nobody is left to hear of an error
	}
}

// saved tells the group that its records up to seq are on the disk.
func (m *member) saved(seq uint64) {
	if m.n.w.trace != nil {
		m.n.w.tracef(m.n.name, "saved %d group %d", seq, m.index)
	}
	m.g.Tick(m.now())
	m.g.Saved(seq)
	m.settle()
}

func (m *member) saveFailed(seq uint64, err error) {
	m.g.Tick(m.now())
	m.g.SaveFailed(seq, err)
	m.settle()
}
