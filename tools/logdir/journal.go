package logdir

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"

	lstorage "github.com/syndtr/goleveldb/leveldb/storage"
)

// JournalFault is a place in one of LevelDB's journals or manifests that
// LevelDB silently skips when it opens the index.
type JournalFault struct {
	File   string // in the group's directory
	Offset int64
	Why    string
	Tail   bool // nothing whole follows: it may be what a crash left
}

// CheckJournals verifies the journals and manifests of the index in a group's
// directory, chunk by chunk. Tables are verified by reading them, with a
// Cursor.
func CheckJournals(groupDir string) ([]JournalFault, error) {
	list, err := levelDisk{groupDir}.List(lstorage.TypeJournal | lstorage.TypeManifest)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b lstorage.FileDesc) int { return int(a.Num - b.Num) })
	var out []JournalFault
	for _, fd := range list {
		f, err := os.Open(filepath.Join(groupDir, fd.String()))
		if err != nil {
			return out, err
		}
		faults, err := checkJournal(f)
		f.Close()
		if err != nil {
			return out, err
		}
		for _, fault := range faults {
			fault.File = fd.String()
			out = append(out, fault)
		}
	}
	return out, nil
}

// A journal is blocks of 32 KiB; a block is chunks, with a header of masked
// CRC-32C, length and type, and less than a header of zeros at its end. A
// record is one whole chunk, or a first one, any number of middle ones and a
// last one.
const (
	journalBlock  = 32768
	journalHeader = 7
	chunkFull     = 1
	chunkFirst    = 2
	chunkMiddle   = 3
	chunkLast     = 4
)

func checkJournal(r io.Reader) ([]JournalFault, error) {
	var faults []JournalFault
	block := make([]byte, journalBlock)
	open := false // within a record
	base := int64(0)
	for {
		n, err := io.ReadFull(r, block)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return faults, err
		}
		at, whole, why := checkBlock(block[:n], &open)
		if whole {
			for i := range faults {
				faults[i].Tail = false // something whole follows
			}
		}
		if why != "" {
			// LevelDB skips the rest of the block, but what is in it tells
			// whether a crash can have left this.
			tail := !chunkWithin(block[at+1 : n])
			faults = append(faults, JournalFault{Offset: base + int64(at), Why: why, Tail: tail})
			open = false
		}
		base += int64(n)
		if n < journalBlock {
			break
		}
	}
	if open {
		faults = append(faults, JournalFault{Offset: base, Why: "the last record ends in its middle", Tail: true})
	}
	return faults, nil
}

// checkBlock returns where the chunks of a block end and why, if that is not
// the end of the block; whole reports whether there was any good chunk.
func checkBlock(b []byte, open *bool) (at int, whole bool, why string) {
	for at+journalHeader <= len(b) {
		length := int(binary.LittleEndian.Uint16(b[at+4:]))
		typ := b[at+6]
		end := at + journalHeader + length
		switch {
		case allZero(b[at:]):
			return at, whole, ""
		case end > len(b):
			return at, whole, "a chunk is longer than its block"
		case typ < chunkFull || typ > chunkLast:
			return at, whole, "a chunk has no known type"
		case wholeChunk(b[at:]) == 0:
			return at, whole, "a chunk does not match its CRC-32C"
		case *open != (typ == chunkMiddle || typ == chunkLast):
			if *open {
				return at, whole, "a record lacks its end"
			}
			// The beginning was skipped as damaged.
		}
		whole = true
		*open = typ == chunkFirst || typ == chunkMiddle
		at = end
	}
	if at < len(b) && len(b) < journalBlock && !allZero(b[at:]) {
		return at, whole, "the file ends within a chunk"
	}
	return at, whole, ""
}

// wholeChunk returns the length of the chunk that b begins with, 0 if there is
// none.
func wholeChunk(b []byte) int {
	if len(b) < journalHeader || b[6] < chunkFull || b[6] > chunkLast {
		return 0
	}
	end := journalHeader + int(binary.LittleEndian.Uint16(b[4:]))
	if end > len(b) || binary.LittleEndian.Uint32(b) != maskedCRC(b[6:end]) {
		return 0
	}
	return end
}

// chunkWithin reports whether there is a whole chunk anywhere in b.
func chunkWithin(b []byte) bool {
	for i := range b {
		if wholeChunk(b[i:]) > 0 {
			return true
		}
	}
	return false
}

// maskedCRC is how LevelDB stores checksums of data that holds checksums.
func maskedCRC(p []byte) uint32 {
	c := crc32.Checksum(p, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}
