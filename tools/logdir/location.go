package logdir

import "encoding/binary"

// Location is where the newest record of an instance lies: the original's
// file id (spec/storage-api.md section 2.3).
type Location struct {
	File   int
	Offset int64
	CRC    uint32 // CRC-32 over every 8th byte of instance and data
}

const locationBytes = 12

// DecodeLocation reports false for what cannot be a location.
func DecodeLocation(b []byte) (Location, bool) {
	if len(b) != locationBytes {
		return Location{}, false
	}
	le := binary.LittleEndian
	l := Location{
		File:   int(int32(le.Uint32(b[0:]))),
		Offset: int64(int32(le.Uint32(b[4:]))),
		CRC:    le.Uint32(b[8:]),
	}
	return l, l.File >= 0 && l.Offset >= 0
}

// Before reports whether l lies in front of offset in file.
func (l Location) Before(file int, offset int64) bool {
	return l.File < file || l.File == file && l.Offset < offset
}

// The three highest keys of the index are not instances (section 2.2), and
// our store leaves the next one free.
const (
	keyMinChosen       = ^uint64(0)
	keySystemVariables = keyMinChosen - 1
	keyMasterVariables = keyMinChosen - 2
)

// InstanceMax is the highest instance that a log can hold.
const InstanceMax = ^uint64(0) - 4
