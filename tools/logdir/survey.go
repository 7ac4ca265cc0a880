package logdir

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// MetaName is the path of the file that names the current value file.
const MetaName = "vfile/meta"

// Survey is what lies in a group's directory beside the index.
type Survey struct {
	Dir      string
	Files    []int // value files, ascending
	Sidecars []int // files of checksums, ascending

	MetaBytes int  // size of vfile/meta, 0 if it is missing
	MetaOK    bool // it can be read
	Meta      int  // the current file, if it can

	NoteFile bool // vfile/durable exists
	Slots    [noteSlots]Slot
	HasNote  bool
	Note     Note // the newest one

	LogSize   int64    // of vfile/LOG
	HasLog    bool     // vfile/LOG exists: an original node has been here
	Leftovers []string // of checkpoint transfers and replaced files
}

// ReadSurvey reads a group's directory, whose lock should be held. The error
// matches storage.ErrNewerFormat if a newer version has written a file in it.
func ReadSurvey(groupDir string) (*Survey, error) {
	s := &Survey{Dir: groupDir, MetaOK: true}
	list, err := os.ReadDir(filepath.Join(groupDir, "vfile"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range list {
		if id, ok := fileNumber(e.Name(), ".f"); ok {
			s.Files = append(s.Files, id)
		} else if id, ok := fileNumber(e.Name(), ".crc"); ok {
			s.Sidecars = append(s.Sidecars, id)
		} else if strings.HasSuffix(e.Name(), ".tmp") {
			s.Leftovers = append(s.Leftovers, "vfile/"+e.Name())
		} else if e.Name() == "LOG" {
			info, err := e.Info()
			if err != nil {
				return nil, err
			}
			s.HasLog, s.LogSize = true, info.Size()
		}
	}
	slices.Sort(s.Files)
	slices.Sort(s.Sidecars)
	if err := s.readMeta(); err != nil {
		return nil, err
	}
	if s.Slots, s.NoteFile, err = readSlots(groupDir); err != nil {
		return nil, err
	}
	for _, slot := range s.Slots {
		if slot.OK && (!s.HasNote || slot.Note.Seq > s.Note.Seq) {
			s.Note, s.HasNote = slot.Note, true
		}
	}
	for _, id := range s.Sidecars {
		if err := checkSidecar(groupDir, id); err != nil {
			return nil, err
		}
	}
	return s, s.findTransfers()
}

// checkSidecar returns an error if a newer version wrote the first entry of a
// sidecar.
func checkSidecar(groupDir string, id int) error {
	sums, err := OpenChecksums(groupDir, id)
	if err != nil {
		return err
	}
	return errors.Join(sums.Err(), sums.Close())
}

func (s *Survey) findTransfers() error {
	list, err := os.ReadDir(s.Dir)
	for _, e := range list {
		if strings.Contains(e.Name(), "cp_tmp_") {
			s.Leftovers = append(s.Leftovers, e.Name())
		}
	}
	return err
}

func (s *Survey) readMeta() error {
	b, err := os.ReadFile(filepath.Join(s.Dir, MetaName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.MetaBytes = len(b)
	s.Meta, s.MetaOK = DecodeMeta(b)
	return nil
}

// DecodeMeta reads the id of the current file (spec/storage-api.md section
// 2.4): nothing means 0, four bytes alone are taken without a check.
func DecodeMeta(b []byte) (id int, ok bool) {
	switch {
	case len(b) == 0:
		return 0, true
	case len(b) < 4:
		return 0, false
	case len(b) >= 8 && binary.LittleEndian.Uint32(b[4:]) != crc32.ChecksumIEEE(b[:4]):
		return 0, false
	}
	n := binary.LittleEndian.Uint32(b)
	return int(n), n <= math.MaxInt32
}

// Own reports whether this library wrote what lies behind the note: nobody
// else has opened the directory since.
func (s *Survey) Own() bool { return s.HasNote && s.Note.LogSize == s.LogSize }

// Current is the file that records go to. If meta cannot be read it is the
// newest there is, as for a node that starts.
func (s *Survey) Current() int {
	if s.MetaOK {
		return s.Meta
	}
	if len(s.Files) == 0 {
		return 0
	}
	return s.Files[len(s.Files)-1]
}

// Oldest is the lowest value file, or the current one if there is none.
func (s *Survey) Oldest() int {
	if len(s.Files) == 0 {
		return s.Current()
	}
	return s.Files[0]
}

// HasFile reports whether value file id is there.
func (s *Survey) HasFile(id int) bool { return slices.Contains(s.Files, id) }

// Trusted reports whether the checksums of a file are about the records that
// are in it now. An original node may have written other ones to the same
// places, and knows nothing of the checksums.
func (s *Survey) Trusted(file int) bool {
	if s.Own() {
		return true
	}
	return s.HasNote && file < s.Note.File
}
