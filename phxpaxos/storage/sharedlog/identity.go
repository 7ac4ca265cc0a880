package sharedlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"path/filepath"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/checksum"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// Names below the directory of a store.
const (
	subdirName   = "shared"
	identityName = "store"
	guardName    = "g0"
	groupsName   = "groups"
)

// guardText keeps nodes of the original's layout out: they need a directory
// of this name.
const guardText = `The log of all groups is in the directory "shared" beside this file.
This file keeps programs out that expect the original's layout, one directory
for each group. phxpaxos_convert turns one layout into the other.
`

// identity is the file "store": which store this is. It is there twice.
//
//	0  "phxslog1"; the 1 is the format number, see newer.go
//	8  uint64 salt, drawn when the store was made
//	16 uint32 CRC-32C of the 16 bytes in front
type identity struct {
	salt uint64
}

const (
	identityMagic = "phxslog1"
	identityBytes = 20
	identityAgain = 4096 // where the second copy is
)

func (id identity) encode() []byte {
	out := make([]byte, identityAgain+identityBytes)
	one := append([]byte(identityMagic), 0, 0, 0, 0, 0, 0, 0, 0)
	binary.LittleEndian.PutUint64(one[8:], id.salt)
	one = binary.LittleEndian.AppendUint32(one, checksum.CRC32C(0, one))
	copy(out, one)
	copy(out[identityAgain:], one)
	return out
}

func decodeIdentity(b []byte) (id identity, ok bool) {
	for _, at := range []int{0, identityAgain} {
		if len(b) < at+identityBytes || string(b[at:at+8]) != identityMagic {
			continue
		}
		p := b[at : at+identityBytes]
		if binary.LittleEndian.Uint32(p[16:]) == checksum.CRC32C(0, p[:16]) {
			return identity{binary.LittleEndian.Uint64(p[8:])}, true
		}
	}
	return id, false
}

// seed is what the checksums of a segment's headers begin with. Two segments
// have different ones, so what is left of an old segment in a file that is
// used again never passes for a record of the new one.
func (id identity) seed(seq uint64) uint32 {
	b := binary.LittleEndian.AppendUint64(nil, id.salt)
	return checksum.CRC32C(0, binary.LittleEndian.AppendUint64(b, seq))
}

// Is reports whether a directory holds a shared log. A directory that does
// not exist, or is empty, does not.
func Is(fsys storage.FS, dir string) (bool, error) {
	for _, name := range []string{guardName, subdirName + "/" + identityName} {
		e, err := fsys.Stat(path.Join(filepath.ToSlash(dir), name))
		if err == nil && !e.Dir {
			return true, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	return false, nil
}

// readIdentity reads the identity, or makes one for a new store. The guard is
// made first: a directory without one is not a shared log yet.
func (s *Store) readIdentity() error {
	fsys := s.opts.FS
	name := path.Join(s.dir, identityName)
	b, err := readFile(fsys, name, identityAgain+identityBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return s.makeIdentity()
	}
	if err != nil {
		return err
	}
	if format := newerIdentity(b); format > 0 {
		return storage.NewerFormat(name, format, storeFormat)
	}
	id, ok := decodeIdentity(b)
	if !ok {
		return fmt.Errorf("%s offset 0: neither copy is whole: %w", name, storage.ErrDamaged)
	}
	s.id = id
	return s.makeGuard()
}

func (s *Store) makeIdentity() error {
	if s.opts.ReadOnly {
		return nil // a node died before it got anywhere
	}
	entries, err := s.opts.FS.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if seq, ok := parseName(e.Name, logSuffix); ok {
			return fmt.Errorf("%s is missing, and there is segment %d: %w", path.Join(s.dir, identityName), seq, storage.ErrDamaged)
		}
	}
	if err := s.makeGuard(); err != nil {
		return err
	}
	s.id = identity{salt: 1}
	if !s.opts.Deterministic {
		s.id.salt = rand.Uint64()
	}
	return s.replaceFile(identityName, s.id.encode())
}

// makeGuard makes the file that an original node stumbles over.
func (s *Store) makeGuard() error {
	fsys := s.opts.FS
	name := path.Join(s.root, guardName)
	e, err := fsys.Stat(name)
	switch {
	case err == nil && e.Dir:
		return fmt.Errorf("%s is a log of the original's layout: open it as such, or convert it with phxpaxos_convert", s.root)
	case err == nil || s.opts.ReadOnly:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	f, err := fsys.Open(name, storage.ReadWrite|storage.Create)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt([]byte(guardText), 0); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return fsys.SyncDir(s.root)
}

// replaceFile writes a small file so that it is there whole or not at all.
func (s *Store) replaceFile(name string, content []byte) error {
	if err := s.writeTemporary(name, content); err != nil {
		return err
	}
	return s.opts.FS.SyncDir(s.dir)
}

// writeTemporary is replaceFile without making the name durable.
func (s *Store) writeTemporary(name string, content []byte) error {
	fsys := s.opts.FS
	to := path.Join(s.dir, name)
	f, err := fsys.Open(to+temporarySuffix, storage.ReadWrite|storage.Create|storage.Truncate)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(content, 0); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		// The next attempt needs another file: this one keeps its error.
		return errors.Join(err, fsys.Remove(to+temporarySuffix))
	}
	return fsys.Rename(to+temporarySuffix, to)
}

func readFile(fsys storage.FS, name string, max int64) ([]byte, error) {
	f, err := fsys.Open(name, storage.ReadOnly)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, min(size, max))
	if n, err := f.ReadAt(b, 0); err != nil && !(errors.Is(err, io.EOF) && n == len(b)) {
		return nil, err
	}
	return b, nil
}
