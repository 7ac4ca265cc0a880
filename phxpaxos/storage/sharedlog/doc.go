// Package sharedlog is the storage.LogStorage that keeps all groups of a node
// in one log: a sync serves every record that waits, whatever its group, and
// every byte has a checksum. It may change; users see it through package
// phxpaxos and the contract in package storage. Stores are safe for
// concurrent use.
//
// # What is on disk
//
//	<dir>/g0                 a plain file: it keeps nodes out that expect the
//	                         original's layout, a directory of this name
//	<dir>/shared/LOCK        locked while a store is open
//	<dir>/shared/store       which store this is: see identity
//	<dir>/shared/N.log       segment N, 16 hex digits: the log
//	<dir>/shared/N.idx       the index of segment N, made when it is finished
//	<dir>/shared/N.spare     an old segment whose file waits to be used again
//	<dir>/groups/<i>/        for the checkpoint files of group i
//
// # The log
//
// The log is the records of all segments, in the order of their numbers. All
// numbers are little-endian. A record begins at a multiple of 8:
//
//	 0  uint32 CRC-32C of the 28 bytes behind, begun with the segment's seed
//	 4  uint32 0xa0 | kind, group << 8
//	 8  uint32 number: how many records of the group were written, with this
//	12  uint32 length of the payload
//	16  uint64 instance
//	24  uint32 so many times 8 bytes of this segment were durable before
//	28  uint32 CRC-32C of the payload with its filling
//	32  the payload, filled with zeros to a multiple of 8
//
// The kinds, with their payloads where they have one:
//
//	1 Begin     first in each segment; instance is its number, and number is
//	            the segment's format less 1. Payload: uint64
//	            where the segment in front ends, uint64 oldest segment needed
//	2 Record    a Put; the payload is its data
//	3 Copy      a record that was moved to the front of the log
//	4 Variable  instance is its name, the payload its value
//	5 Clear     all records of the group in front are void, and MinChosen
//	6 Drop      the records of the instance in front are void. Payload: uint64
//	            highest instance left, uint64 newest, 1 byte: bit 0 there is a
//	            highest, bit 1 there is a newest
//	7 Newest    all records of the group in front are void; the instance was
//	            the newest, and what comes must not be below it
//	8 Oldest    segments below the instance are not needed
//	9 Close     an orderly end
//
// The seed of a segment is the CRC-32C of the store's salt and the segment's
// number, uint64 each. So what an old segment left in a file that is used
// again is never a record of the new one.
//
// A record is larger than a segment: then it has one of its own. A segment
// ends where its successor says; what lies behind is not looked at.
//
// # Writing
//
// A commit takes the puts of one Write and every variable that waits, writes
// them with one call (payloads from 32 KiB on by a call of their own, from
// where they lie) and syncs once, if anybody asks for it. Then they become
// visible. When a segment is full it is synced, and the next one begins in a
// file that is there already: an old one if one is free, since a sync into
// blocks that exist costs half. Else the background writes zeros ahead of the
// records while these are small; large ones would only be written twice.
//
// All but the two newest segments leave the system's cache; see cache.go for
// why, and for how files that are used again are written then.
//
// A failed write or sync stops all groups: nobody knows what is on disk. All
// syncs of a file share one result, also those of the background: see package
// onesync.
//
// # The index
//
// For each instance in the newest segment 16 bytes are in memory. When a
// segment is finished they go into its index file, and in memory remain about
// 80 bytes for each group that has a record in it. Reading an instance takes
// a read of its entry and one of its record. Index files are made from
// segments and can be made again, which happens when one is missing or
// damaged.
//
// # Room
//
// Only the oldest segment is ever freed. It goes when nothing in it is needed.
// And when the log takes more than three times what is needed and four
// segments, what is needed of the oldest is copied to the front and it goes
// all the same: a group that never trims costs its own records a few times,
// not those of all groups. First an Oldest record is durable, and with it
// everything that was copied. A segment that holds damaged records stays, and
// while a group is stopped by damage none is freed.
//
// # Recovery
//
// Finished segments are taken from their index files, the others are read.
// The newest one is read until something is not a whole record. Each record
// says what was durable when it was written, so:
//
//	a record behind it proves that it was durable     storage.ErrDamaged
//	else                                              a torn tail: nobody was
//	                                                  told of it
//
// Behind a torn tail nothing counts, and the log goes on in a new segment,
// which says where the old one ended; so nothing that lies there can ever
// come back. In a segment that is not the newest everything was durable.
//
// A payload that is damaged is one record: reading it returns
// storage.ErrDamaged with file and offset, unless a newer one took its place.
// Where a header is damaged, nobody can tell whose record it was; the numbers
// can. The groups whose numbers skip one behind the damage are stopped, and
// so are those without a record behind it. The others work.
//
// What recovery cannot see: damage in what the last sync wrote, if nothing
// was written afterwards, not even an orderly end.
//
// A file or record of a newer version is neither damaged nor torn. Open then
// returns storage.ErrNewerFormat before it changes anything; newer.go has the
// format numbers.
//
// # What a crash leaves, and why it is safe
//
//	while a store is made           g0 is there before shared/store: a directory
//	                                that is not complete is no log of the
//	                                original's, and is completed
//	while records are written       a torn tail, in one segment, since a segment
//	                                is synced before the next one begins
//	between a sync and its answer   records that nobody was told of; they count,
//	                                as with every log
//	after a failed sync             the cache may show what the disk does not
//	                                have: what is not proven durable is written
//	                                and synced once more before Open returns
//	when a segment begins           its first record is torn: it has not begun,
//	                                and its file is removed, for it may hold
//	                                records with the seed that the next one gets
//	when the next file was made     it has not begun either
//	while an index file is made     N.idx.tmp, which is removed
//	while records are copied        they are there twice, or once
//	before Oldest is durable        the oldest segment is still there
//	after that                      it is not used, and its file goes
//	while a file is used again      its name says which segment it is; its old
//	                                records have another seed
//	in Clear, Drop, SetVariable     one record each: it is there, or not
package sharedlog
