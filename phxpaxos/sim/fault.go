package sim

import "time"

// beginFault lets fault i of the plan happen.
func (w *World) beginFault(i int) {
	f := w.plan.Faults[i]
	if w.phase != chaos {
		return
	}
	n := w.nodes[f.Node]
	w.tracef("fault", "%d: %v", i, f)
	w.stats.Faults[f.Kind]++
	switch f.Kind {
	case Kill:
		n.crash(false, f.For)
	case PowerLoss:
		n.crash(true, f.For)
	case PowerLossAll:
		for _, n := range w.nodes {
			n.crash(true, between(w.randFault, 0, 2*f.For))
		}
	case Pause:
		n.pause(f.For)
	case Drift:
		n.clock.retune(w.now, f.X)
		for _, m := range n.members {
			if n.state == up {
				m.timerAt = -1 // the old one would come at the wrong time
				m.settle()
			}
		}
	case SyncError, DiskFull:
		if n.state == up {
			n.medium.fail(f.Kind == SyncError, w.randFault)
			n.hurt = true
		}
	case BitFlip:
		if where, ok := n.medium.flip(w.randFault); ok && n.state != dead {
			w.tracef(n.name, "a bit turns: %s", where)
			n.flipped = true
			w.stats.Flips++
		}
	case AddNode, RemoveNode, ReplaceNode, TwoChanges:
		w.beginChange(f)
	case HandOver:
		w.handOver(f)
	case Wipe:
		w.wipe(n, f.For)
	case StrangerJoins:
		w.strangerJoins()
		w.events.push(event{at: w.now + f.For, kind: evFaultEnd, n: uint64(i)})
	default:
		w.bend(f, +1)
		w.events.push(event{at: w.now + f.For, kind: evFaultEnd, n: uint64(i)})
	}
}

// endFault takes back a fault that lasts. Healing has taken back all of them.
func (w *World) endFault(i int) {
	f := w.plan.Faults[i]
	switch {
	case f.Kind == StrangerJoins:
		w.strangerClaims()
	case w.phase == chaos:
		w.tracef("fault", "%d ends", i)
		w.bend(f, -1)
	}
}

// bend adds a lasting fault to links and disks, or takes it away again.
func (w *World) bend(f Fault, sign int) {
	extra := time.Duration(sign) * time.Duration(f.X)
	for from := range w.nodes {
		for to := range w.nodes {
			l := w.net.link(from, to)
			in, out := f.X>>from&1 == 1, f.X>>to&1 == 0
			switch {
			case f.Kind == Partition && in == out && from != to:
				l.cut += sign
			case f.Kind == OneWay && in && from != to:
				l.cut += sign
			case f.Kind == CutLink && from == f.Node && to == f.Peer:
				l.cut += sign
			case f.Kind == SlowLink && from == f.Node:
				l.slow += extra
			case f.Kind == LossyLink && from == f.Node:
				l.loss += sign * int(f.X)
			}
		}
	}
	if f.Kind == SlowDisk {
		w.nodes[f.Node].disk.slow += extra
	}
}

// healAll ends every fault: links work, disks are quick, all nodes run.
func (w *World) healAll() {
	w.net.heal()
	for _, n := range w.nodes {
		n.disk.slow = 0
		n.pausedTill = 0
		for _, m := range n.members {
			for _, machine := range [...]*machine{m.machine, m.shadow} {
				if machine != nil {
					machine.fails = 0
				}
			}
		}
		n.boot() // does nothing to a node that runs or is dead
	}
}
