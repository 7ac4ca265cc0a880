package sim

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/group"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/transfer"
)

// clerk does a group's work with files. Jobs that write are done one after the
// other, each some time after it was given; transfers to other nodes go on
// beside them, message by message.
type clerk struct {
	m        *member
	jobs     []group.Job
	receiver *transfer.Receiver
	uuid     uint64
	sends    []*sending
}

// sending is a transfer to another node.
type sending struct {
	job     group.Job
	through uint64
	sender  *transfer.Sender
	stopped bool
	due     bool // an event is under way
}

// blockBytes keeps states of a few KiB in several blocks.
const blockBytes = 512

// Do takes a job.
func (m *member) Do(j group.Job) {
	c := &m.clerk
	switch j.Kind {
	case group.SendCheckpoint:
		c.sends = append(c.sends, &sending{job: j, through: j.Through})
		c.later(c.sends[len(c.sends)-1])
		return
	case group.SendFurther, group.StopSending:
		for _, s := range c.sends {
			if s.job.UUID == j.UUID {
				s.through = max(s.through, j.Through)
				s.stopped = s.stopped || j.Kind == group.StopSending
				c.later(s)
			}
		}
		return
	}
	c.jobs = append(c.jobs, j)
	if len(c.jobs) == 1 {
		c.push(0)
	}
}

// end forgets the jobs of a life that is over.
func (c *clerk) end() {
	for _, s := range c.sends {
		if s.sender != nil {
			_ = s.sender.Close()
		}
	}
	*c = clerk{m: c.m}
}

// push plans the next step: of the jobs that write, or of a transfer.
func (c *clerk) push(uuid uint64) {
	w, n := c.m.n.w, c.m.n
	took := w.plan.disk.writeMin
	if mean := w.plan.disk.writeMean; mean > 0 && w.script == nil {
		took += time.Duration(w.randDisk.Int64N(2 * int64(mean)))
	}
	w.events.push(event{at: w.now + took, n: uuid, kind: evJob, node: int16(n.index), group: int16(c.m.index), life: n.life})
}

func (c *clerk) later(s *sending) {
	if !s.due {
		s.due = true
		c.push(s.job.UUID)
	}
}

// step does what is due.
func (c *clerk) step(uuid uint64) {
	if uuid != 0 {
		c.send(uuid)
		return
	}
	j := c.jobs[0]
	r := group.JobResult{Kind: j.Kind, UUID: j.UUID, Sequence: j.Block.Sequence, Instance: j.Instance}
	c.perform(&j, &r)
	c.jobs = slices.Delete(c.jobs, 0, 1)
	if len(c.jobs) > 0 {
		c.push(0)
	}
	if j.Kind != group.DropCheckpoint {
		c.tell(r)
	}
}

func (c *clerk) tell(r group.JobResult) {
	m := c.m
	if m.n.w.trace != nil {
		m.n.w.tracef(m.n.name, "job %d of group %d is done: i=%d uuid=%x seq=%d ended=%v err=%v", r.Kind, m.index, r.Instance, r.UUID, r.Sequence, r.Ended, r.Err)
	}
	m.g.Tick(m.now())
	m.g.JobDone(r)
	m.settle()
}

func (c *clerk) perform(j *group.Job, r *group.JobResult) {
	m := c.m
	switch j.Kind {
	case group.CleanLog:
		m.n.w.stats.Cleaned++
		m.checks().disk[m.n.index].cleaning(j.Instance)
		r.Err = m.SetVariable(group.MinChosen, group.AppendInstance(nil, j.Instance))
		if r.Err == nil {
			r.Err = m.n.log.Trim(m.index, j.Instance)
		}
	case group.KeepLedger:
		m.n.w.stats.Ledgers++
		r.Err = m.SetVariable(group.Ledger, j.Ledger)
	case group.ReplayLog:
		for r.Instance = j.From; r.Instance < j.Instance && r.Err == nil; {
			var data []byte
			if data, r.Err = m.n.log.Read(m.index, r.Instance, nil); r.Err == nil {
				r.Err = j.Replay(r.Instance, data)
			}
			if r.Err == nil {
				r.Instance++
			}
		}
	default:
		r.Err = c.receive(j, r)
	}
}

// dir is where the files of a transfer to this group go.
func (m *member) dir() string { return fmt.Sprintf("/transfer/%d", m.index) }

func (c *clerk) receive(j *group.Job, r *group.JobResult) (err error) {
	files := c.m.n.files
	switch {
	case j.Kind == group.DropCheckpoint:
		c.receiver = nil
		return transfer.Discard(files, c.m.dir())
	case j.Kind == group.ReceiveCheckpoint:
		c.uuid = j.UUID
		if err = files.MkdirAll(c.m.dir()); err == nil {
			c.receiver, err = transfer.Begin(files, c.m.dir())
		}
		return err
	case c.receiver == nil || c.uuid != j.UUID:
		return errors.New("the transfer is over")
	case j.Kind == group.StoreBlock:
		return c.receiver.Write(&j.Block)
	}
	parts, err := c.receiver.Finish()
	for _, p := range parts {
		r.Parts = append(r.Parts, group.Part(p))
	}
	return err
}

// send takes the next step of a transfer.
func (c *clerk) send(uuid uint64) {
	i := slices.IndexFunc(c.sends, func(s *sending) bool { return s.job.UUID == uuid })
	if i < 0 {
		return
	}
	s := c.sends[i]
	s.due = false
	r := group.JobResult{Kind: group.SendCheckpoint, UUID: uuid, Ended: true}
	if s.sender == nil && !s.stopped {
		if r.Err = c.open(s); r.Err == nil {
			r.Ended, r.Instance, r.Bytes = false, s.sender.Instance(), s.sender.Total()
			c.later(s)
			c.tell(r)
			return
		}
	}
	if !s.stopped && r.Err == nil {
		if s.sender.Sequence() > s.through {
			return // SendFurther goes on
		}
		var packet []byte
		if packet, _, r.Err = s.sender.Next(); r.Err == nil {
			c.later(s)
			c.m.sendBlock(s.job.To, packet)
			return
		}
		if r.Err == io.EOF {
			r.Err = nil
		}
	}
	if s.sender != nil {
		r.Err = errors.Join(r.Err, s.sender.Close())
	}
	c.sends = slices.Delete(c.sends, i, i+1)
	c.tell(r)
}

func (c *clerk) open(s *sending) (err error) {
	m := c.m
	s.sender, err = transfer.Open(m.n.files, transfer.Order{
		Group: m.index, From: m.n.id, Header: s.job.Header, UUID: s.job.UUID,
		Machines: s.job.Machines, Instance: s.job.Instance, Ledger: s.job.Ledger, Block: blockBytes,
	})
	return err
}

// writeFile makes a file, with its directory. What it holds is not durable.
func writeFile(fs storage.FS, name string, data []byte) error {
	if err := fs.MkdirAll(path.Dir(name)); err != nil {
		return err
	}
	f, err := fs.Open(name, storage.ReadWrite|storage.Create|storage.Truncate)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	return errors.Join(err, f.Close())
}

func readFile(fs storage.FS, name string) ([]byte, error) {
	f, err := fs.Open(name, storage.ReadOnly)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	data := make([]byte, size)
	if n, err := f.ReadAt(data, 0); n < len(data) {
		return nil, err
	}
	return data, nil
}
