package sim

import (
	"slices"
	"time"
)

// network carries packets between the nodes of a world, badly.
type network struct {
	w     *World
	links []link // from*len(nodes) + to
}

// link is one direction between two nodes. Faults overlap, so they count.
type link struct {
	cut      int
	slow     time.Duration
	loss     int           // per mille
	lastFIFO time.Duration // arrival of the newest stream packet
}

// lateMax is how much later a repeated packet comes: a peer's queue keeps
// packets for seconds, longer than a process needs to start again.
const lateMax = 6 * time.Second

func (t *network) init(w *World) {
	t.w = w
	t.links = make([]link, len(w.nodes)*len(w.nodes))
}

func (t *network) link(from, to int) *link { return &t.links[from*len(t.w.nodes)+to] }

func (t *network) heal() {
	for i := range t.links {
		t.links[i] = link{lastFIFO: t.links[i].lastFIFO}
	}
}

// send decides what becomes of a packet.
func (t *network) send(from, to, group int, packet []byte, stream bool) {
	w, l := t.w, t.link(from, to)
	if w.script != nil && !w.script.passes(from, to, group, packet) {
		t.lose(from, to)
		return
	}
	if w.deaf(to, packet) {
		t.lose(from, to)
		return
	}
	r, p := w.randNet, &w.plan.net
	fifo := stream && (p.fifoStreams || w.phase != chaos)
	lossy := w.phase == chaos && !fifo && p.loss > 0 && r.IntN(10000) < p.loss
	if l.cut > 0 || l.loss > 0 && r.IntN(1000) < l.loss || lossy {
		t.lose(from, to)
		return
	}
	at := w.now + t.delay(l)
	if fifo {
		at = max(at, l.lastFIFO+1)
		l.lastFIFO = at
	}
	e := event{at: at, kind: evPacket, node: int16(to), from: int16(from), group: int16(group), packet: packet}
	if w.phase == chaos && !fifo {
		if p.corrupt > 0 && w.plan.crc && r.IntN(10000) < p.corrupt {
			e.packet = t.damage(packet)
		}
		if p.dup > 0 && r.IntN(10000) < p.dup {
			w.stats.Repeated++
			again := e
			again.at = w.now + t.delay(l)
			if r.IntN(4) == 0 {
				// It waited in its sender's queue while nobody listened, and
				// reaches a later life of the receiver.
				again.at += time.Duration(r.Int64N(int64(lateMax)))
			}
			w.events.push(again)
		}
	}
	w.events.push(e)
}

func (t *network) lose(from, to int) {
	t.w.stats.Lost++
	if t.w.trace == nil {
		return
	}
	t.w.tracef(nodeName(from), "   this does not get to %s", nodeName(to))
}

func (t *network) delay(l *link) time.Duration {
	w, p := t.w, &t.w.plan.net
	d := p.delayMin
	if p.delayMean > 0 {
		d += time.Duration(w.randNet.Int64N(2 * int64(p.delayMean)))
	}
	if w.phase == chaos && p.tail > 0 && w.randNet.IntN(1000) < p.tail {
		d *= 30
	}
	if l.slow > 0 {
		d += time.Duration(w.randNet.Int64N(int64(l.slow)))
	}
	return d
}

// damage returns a copy with a bit turned, an end cut off or bytes added: what
// the CRC of our packets has to find.
func (t *network) damage(packet []byte) []byte {
	r := t.w.randNet
	t.w.stats.Damaged++
	out := slices.Clone(packet)
	switch r.IntN(3) {
	case 0:
		return out[:r.IntN(len(out))]
	case 1:
		for range 1 + r.IntN(8) {
			out = append(out, byte(r.IntN(256)))
		}
	default:
		out[r.IntN(len(out))] ^= 1 << r.IntN(8)
	}
	return out
}
