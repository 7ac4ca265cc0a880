package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"sync"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/smallfile"
)

// Load reads the identity of a directory, with slashes in its path. It is nil
// if there is none. Errors match storage.ErrDamaged or storage.ErrNewerFormat,
// or are the file system's. It blocks on the disk and changes nothing.
func Load(fsys storage.FS, dir string) (*Identity, error) {
	name := path.Join(dir, FileName)
	_, payload, err := smallfile.Read(fsys, name, kind, format)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var id Identity
	if err == nil {
		id, err = parse(payload)
	}
	if errors.Is(err, storage.ErrDamaged) {
		return nil, fmt.Errorf("%w; %s says whose the log in %s is: bring it back from a copy, or, if you are certain that the log is this node's, remove this one file and the node writes it anew at its next start",
			err, FileName, dir)
	}
	if err != nil {
		return nil, err
	}
	return &id, nil
}

// Save writes the identity of a directory, which must exist; when it returns
// nil the identity is durable. It blocks on the disk.
func Save(fsys storage.FS, dir string, id Identity) error {
	return smallfile.Write(fsys, path.Join(dir, FileName), kind, format, id.payload())
}

// LoadStamps reads the stamps at some places below dir, nil where there is
// none. Errors are those of Load.
func LoadStamps(fsys storage.FS, dir string, places []string) ([]*Stamp, error) {
	found := make([]*Stamp, len(places))
	for i, place := range places {
		name := path.Join(dir, place, StampName)
		_, payload, err := smallfile.Read(fsys, name, stampKind, stampFormat)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var s Stamp
		if err == nil {
			s, err = parseStamp(payload)
		}
		if errors.Is(err, storage.ErrDamaged) {
			return nil, fmt.Errorf("%w; %s says whose the log in %s is: if you are certain that it is this node's, remove this one file and the node writes it anew at its next start",
				err, name, place)
		}
		if err != nil {
			return nil, err
		}
		found[i] = &s
	}
	return found, nil
}

// stampsAtOnce is how many stamps are written at once: most of the time of one
// goes by in two syncs, which a disk serves together.
const stampsAtOnce = 16

// SaveStamps writes the stamps of some places, given by their index, whose
// directories must exist. When it returns nil they are durable.
func SaveStamps(fsys storage.FS, dir string, id Identity, write []int) error {
	places, want := Places(id.Layout, id.Groups), Stamps(id.Layout, id.Groups, id.Directory)
	errs := make([]error, min(stampsAtOnce, len(write)))
	var all sync.WaitGroup
	for worker := range errs {
		all.Go(func() {
			for k := worker; k < len(write) && errs[worker] == nil; k += len(errs) {
				i := write[k]
				errs[worker] = smallfile.Write(fsys, path.Join(dir, places[i], StampName), stampKind, stampFormat, want[i].payload())
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// CopyStamp copies the stamp of a group's directory to the one that takes its
// place, if there is one, also that of a newer version. The copy is durable. A
// damaged stamp is left out: the next start writes it anew.
func CopyStamp(fsys storage.FS, from, to string) error {
	found, payload, err := smallfile.Read(fsys, path.Join(from, StampName), stampKind, math.MaxUint16)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, storage.ErrDamaged) {
		return nil
	}
	if err != nil {
		return err
	}
	return smallfile.Write(fsys, path.Join(to, StampName), stampKind, found, payload)
}

// Record writes the identity of a directory and all its stamps, for tools that
// make a directory. When it returns nil everything is durable.
func Record(fsys storage.FS, dir string, id Identity) error {
	if err := Save(fsys, dir, id); err != nil {
		return err
	}
	return SaveStamps(fsys, dir, id, every(Places(id.Layout, id.Groups)))
}

// every is all the indexes of a list.
func every[T any](list []T) []int {
	all := make([]int, len(list))
	for i := range all {
		all[i] = i
	}
	return all
}

// Rooted is implemented by a log storage that lies in one directory of a file
// system, in a layout that this package knows. A node that gets such a storage
// from its program keeps its identity there.
type Rooted interface {
	// Root returns the file system and the directory, with slashes.
	Root() (storage.FS, string)
}

// Examined is what Examine found in a directory.
type Examined struct {
	Found  *Identity // nil: the directory does not say whose it is
	Next   Identity  // what it says once the node has started
	Stamps []int     // places whose stamps are to be written
	Lost   []string  // recorded places without a stamp once the log was open: their logs are lost; set by Complete

	read  bool   // all other places have the right stamp
	fresh uint64 // the directory id if nothing of the log is left
}

// Examine reads what a directory says of itself and decides with Check and
// CheckStamps, whose arguments it takes. It changes nothing and blocks on the
// disk.
func Examine(fsys storage.FS, dir string, hasLog bool, want Identity, override bool) (Examined, error) {
	found, err := Load(fsys, dir)
	if err != nil {
		return Examined{}, err
	}
	e := Examined{Found: found, fresh: want.Directory}
	if e.Next, err = Check(found, hasLog, want, override); err != nil {
		return Examined{}, fmt.Errorf("%s: %w", dir, err)
	}
	places := Places(want.Layout, want.Groups)
	if !hasLog || len(places) == 0 {
		return e, nil // what is there comes from nowhere; see Complete
	}
	read, err := LoadStamps(fsys, dir, places)
	if err != nil {
		return Examined{}, err
	}
	e.read = true
	e.Next.Directory, e.Stamps, err = CheckStamps(places, read, Stamps(want.Layout, want.Groups, e.Next.Directory), found != nil, override)
	if err != nil {
		return Examined{}, fmt.Errorf("%s: %w", dir, err)
	}
	return e, nil
}

// Complete writes the identity of a directory whose log is open, and the
// stamps that are missing. Opening a log may have made directories, or have
// moved one whose replacement a crash had cut short, so these places are read
// again. When it returns nil everything is durable.
//
// A start writes the stamps before the identity that records their places, so
// a recorded place without a stamp is one whose log was removed: it is in Lost,
// and the node must not take itself for new there. If no place has a stamp, the
// directory gets a new id. Then, and for a lost place, the identity comes first,
// so that a crash in between leaves the place without a stamp.
func (e *Examined) Complete(fsys storage.FS, dir string, override bool) error {
	write, err := e.again(fsys, dir, override)
	if err != nil {
		return err
	}
	save := func() error { return Save(fsys, dir, e.Next) }
	stamp := func() error { return SaveStamps(fsys, dir, e.Next, write) }
	first, second := stamp, save
	if len(e.Lost) > 0 || e.Found != nil && e.Found.Directory != e.Next.Directory {
		first, second = save, stamp
	}
	if err := first(); err != nil {
		return err
	}
	return second()
}

// lost returns the recorded places among some without a stamp, which are given
// by their index.
func (e *Examined) lost(places []string, unstamped []int) (lost []string) {
	if e.Found == nil || e.Found.Layout != e.Next.Layout {
		return nil // the record says nothing of these places
	}
	recorded := len(Places(e.Found.Layout, e.Found.Groups))
	for _, i := range unstamped {
		if i < recorded {
			lost = append(lost, places[i])
		}
	}
	return lost
}

// again returns the places whose stamps are still to be written.
func (e *Examined) again(fsys storage.FS, dir string, override bool) (write []int, err error) {
	places, want := Places(e.Next.Layout, e.Next.Groups), Stamps(e.Next.Layout, e.Next.Groups, e.Next.Directory)
	look := e.Stamps
	if !e.read {
		look = every(places)
	}
	if len(look) == 0 {
		return nil, nil
	}
	somePlaces, someWant := make([]string, len(look)), make([]Stamp, len(look))
	for k, i := range look {
		somePlaces[k], someWant[k] = places[i], want[i]
	}
	read, err := LoadStamps(fsys, dir, somePlaces)
	if err != nil {
		return nil, err
	}
	var unstamped []int
	for k, i := range look {
		if read[k] == nil {
			unstamped = append(unstamped, i)
		}
	}
	if e.Lost = e.lost(places, unstamped); len(e.Lost) > 0 && len(unstamped) == len(places) {
		e.Next.Directory = e.fresh // the id stands for what the log remembers
		for k := range someWant {
			someWant[k].Directory = e.fresh
		}
	}
	known := e.Found != nil || len(look) < len(places)
	directory, some, err := CheckStamps(somePlaces, read, someWant, known, override)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	e.Next.Directory = directory
	for _, k := range some {
		write = append(write, look[k])
	}
	return write, nil
}
