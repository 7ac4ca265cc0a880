package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/identity"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/layout"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/sharedlog"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
	"github.com/phxpaxos/phxpaxos-go/tools/logdir"
	"github.com/phxpaxos/phxpaxos-go/tools/progress"
)

const (
	// suffix is what TO is called until it is complete.
	suffix = ".converting"

	// batchBytes is how much is written at once.
	batchBytes = 4 << 20
)

// conversion is one call of the program.
type conversion struct {
	ctx      context.Context
	from, to string
	large    bool
	show     *progress.Printer
	doing    string

	owner     *identity.Identity // of from; nil: it does not say
	layout    layout.Layout      // of to
	groups    int
	instances uint64
	bytes     int64
}

func (c *conversion) run() error {
	is, err := layout.Of(osfs.FS{}, c.from)
	if err != nil {
		return err
	}
	switch is {
	case layout.None:
		return fmt.Errorf("%w: %s holds no log, of either layout", errUsage, c.from)
	case layout.Original:
		c.layout = layout.Shared
	default:
		c.layout = layout.Original
	}
	work := c.to + suffix
	for _, name := range []string{c.to, work} {
		if _, err := os.Lstat(name); err == nil {
			return fmt.Errorf("%w: %s exists already: name another directory, or remove it", errUsage, name)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	parent := filepath.Dir(filepath.Clean(c.to))
	if st, err := os.Stat(parent); err != nil || !st.IsDir() {
		return fmt.Errorf("%w: %s is no directory in which %s can be made", errUsage, parent, filepath.Base(c.to))
	}
	if c.owner, err = identity.Load(osfs.FS{}, filepath.ToSlash(c.from)); err != nil {
		return err
	}
	groupsMin := 1
	if c.owner != nil {
		groupsMin = c.owner.Groups // groups without records as well
	}
	from, err := openSource(c.from, is, groupsMin)
	if errors.Is(err, logdir.ErrNoGroup) {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if err != nil {
		return err
	}
	defer from.close()
	c.groups = from.groups()
	if err := c.writeAndCompare(from, work); err != nil {
		return errors.Join(err, os.RemoveAll(work))
	}
	if err := os.Rename(work, c.to); err != nil {
		return err
	}
	return osfs.FS{}.SyncDir(parent)
}

func (c *conversion) writeAndCompare(from source, work string) error {
	c.doing = "writing"
	if err := c.write(from, work); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	c.doing = "comparing"
	written, err := openSource(work, c.layout, c.groups)
	if err != nil {
		return fmt.Errorf("reading back: %w", err)
	}
	err = errors.Join(c.compare(from, written, work), written.close())
	if err != nil || c.owner == nil {
		return err
	}
	return c.writeIdentity(filepath.ToSlash(work))
}

// writeIdentity makes the new directory that of the same node.
func (c *conversion) writeIdentity(dir string) error {
	id := *c.owner
	id.Layout, id.Groups = c.layout.String(), max(id.Groups, c.groups)
	if err := identity.Record(osfs.FS{}, dir, id); err != nil {
		return fmt.Errorf("writing whose log it is: %w", err)
	}
	c.owner = &id
	return nil
}

// at says that a group is under way, and how many instances are done.
func (c *conversion) at(group int, instances uint64) {
	if c.show.Due() {
		c.show.At(float64(group)/float64(c.groups), fmt.Sprintf("%s: group %d of %d, %d instances", c.doing, group+1, c.groups, instances))
	}
}

func (c *conversion) open(dir string) (storage.LogStorage, error) {
	if c.layout == layout.Shared {
		return sharedlog.Open(dir, c.groups, sharedlog.Options{})
	}
	return vfile.Open(dir, c.groups, vfile.Options{LargeFiles: c.large})
}

func (c *conversion) write(from source, dir string) error {
	to, err := c.open(dir)
	if err != nil {
		return err
	}
	for group := range c.groups {
		if err := c.writeGroup(from, to, group); err != nil {
			return errors.Join(fmt.Errorf("group %d: %w", group, err), to.Close())
		}
	}
	return errors.Join(featuresFile.copy(c.from, dir), to.Close()) // Close makes the log durable
}

func (c *conversion) writeGroup(from source, to storage.LogStorage, group int) error {
	var batch []storage.Put
	size := 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := to.Write(batch)
		batch, size = batch[:0], 0
		return err
	}
	err := from.records(group, func(instance uint64, data []byte) error {
		batch = append(batch, storage.Put{Group: group, Instance: instance, Data: slices.Clone(data)})
		size += len(data)
		c.instances++
		c.bytes += int64(len(data))
		if size < batchBytes {
			return nil
		}
		c.at(group, c.instances)
		if err := c.ctx.Err(); err != nil {
			return err
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err != nil {
		return err
	}
	for name := storage.MinChosen; name <= storage.MasterVariables; name++ {
		value, err := from.variable(group, name)
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err == nil {
			err = to.SetVariable(group, name, value)
		}
		if err != nil {
			return err
		}
	}
	for _, f := range groupFiles {
		if err := f.copy(from.dir(group), to.Dir(group)); err != nil {
			return err
		}
	}
	return c.ctx.Err()
}

// record is one that has been read, for the comparison.
type record struct {
	instance uint64
	data     []byte
}

// compare reads both logs in full and says where they differ.
func (c *conversion) compare(from, written source, work string) error {
	if n := written.groups(); n != c.groups {
		return fmt.Errorf("comparing: %d groups were written, %d found", c.groups, n)
	}
	total := uint64(0)
	for group := range c.groups {
		n, err := c.compareGroup(from, written, group)
		if err != nil {
			return fmt.Errorf("comparing group %d: %w", group, err)
		}
		total += n
		c.at(group, total)
	}
	if err := featuresFile.compare(c.from, work); err != nil {
		return fmt.Errorf("comparing: %w", err)
	}
	return nil
}

func (c *conversion) compareGroup(from, written source, group int) (n uint64, err error) {
	ctx, stop := context.WithCancel(c.ctx)
	defer stop()
	found := make(chan record)
	ended := make(chan error, 1)
	go func() {
		defer close(found)
		ended <- written.records(group, func(instance uint64, data []byte) error {
			select {
			case found <- record{instance, slices.Clone(data)}:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	err = from.records(group, func(instance uint64, data []byte) error {
		got, ok := <-found
		if !ok {
			return errors.Join(fmt.Errorf("instance %d is missing", instance), <-ended)
		}
		if got.instance != instance || !bytes.Equal(got.data, data) {
			return fmt.Errorf("instance %d became instance %d, or other bytes", instance, got.instance)
		}
		n++
		return ctx.Err()
	})
	if err == nil {
		if more, ok := <-found; ok {
			err = fmt.Errorf("instance %d is too many", more.instance)
		} else {
			err = <-ended
		}
	}
	stop()
	for range found { // lets the reader end
	}
	if err != nil {
		return n, err
	}
	return n, compareVariables(from, written, group)
}

func compareVariables(from, written source, group int) error {
	for name := storage.MinChosen; name <= storage.MasterVariables; name++ {
		a, errA := from.variable(group, name)
		b, errB := written.variable(group, name)
		absent := errors.Is(errA, storage.ErrNotFound) && errors.Is(errB, storage.ErrNotFound)
		if !absent && (errA != nil || errB != nil || !bytes.Equal(a, b)) {
			return errors.Join(fmt.Errorf("variable %d is %x, was %x", name, b, a), errA, errB)
		}
	}
	for _, f := range groupFiles {
		if err := f.compare(from.dir(group), written.dir(group)); err != nil {
			return err
		}
	}
	return nil
}
