// Phxpaxos_doctor examines a storage directory of a node that is not running
// and says whether it is healthy. It changes nothing.
//
//	phxpaxos_doctor [-json] [-q] DIR
//
// DIR is what a node got as LogStoragePath: the directory with g0, g1 … in
// it, written by this library or by an original node, or with a shared log. -json prints the report
// as one JSON object; -q leaves out the progress, which goes to standard
// error. The exit code is the verdict:
//
//	0  healthy
//	1  damaged: something that was written is gone, or not what it was
//	2  no verdict: wrong arguments, the directory is in use, it cannot be read,
//	   or a newer version has written it
//	3  suspicious: a node repairs it by itself or lives with it; look at it
//
// # What is checked, by the name that a finding has
//
//	layout            the groups are there without a hole; nothing is left of a transfer
//	index             CURRENT, manifest, journals and tables can be read, all checksums right
//	index-entry       what the index has for an instance is the place of its newest record
//	index-lost        the index is empty or lost entries, and the value files were kept
//	meta              names the current value file and is whole
//	note              how far everything was durable is whole and true
//	value-file        no value file is missing
//	record            every record is one, and none that was durable is cut off
//	torn-tail         what a crash left behind the last record
//	crc32c            every byte of a record, by the sidecar that this library writes
//	sampled           every 8th byte of a record, by the original's index
//	sidecar           the sidecar is there and whole
//	order             instances never go down
//	promise           the promise never goes down, and nothing was accepted above it
//	chain             each value continues the checksum of all values before it
//	gap               no instance is missing between the first and the last
//	min-chosen        MINCHOSEN can be read and fits the first instance
//	members           cluster id and membership can be read and are what the log says
//	master            the master can be read and is what the log says
//	cluster           the groups look like groups of one node
//	identity          whose log it is can be read, and fits the layout and the number of groups
//	stamp             the directories of the logs are in their places
//	format            no file has a format number that this version does not know
//
// Of a shared log every byte of every segment is verified, and then the
// newest record of each instance is looked at. These checks are made of it:
// format, index, record, crc32c, order, promise, chain, gap, min-chosen,
// members, master, cluster, identity and stamp. A damaged record that a newer one of its instance
// replaced is suspicious: nothing is lost, but the disk is not well.
//
// # What it knows
//
// A record that this library wrote has a CRC-32C in the sidecar; one that an
// original node wrote has only the original's checksum, of every 8th byte, in
// the index, and the report says how many there are: in these a flipped bit
// elsewhere is not found. A record without a CRC-32C that was replaced by a newer
// one of its instance, or trimmed from the index, has no checksum at all.
//
// Each group has a cluster id of its own, made at random when it was created.
// So different ids in two groups are right, and equal ones are suspicious. An
// id that is not the one in the log was set by hand or comes from another
// directory.
//
// A directory that a node of this library has used says which node that is; see
// docs/identity.md. One that an original node or an older version wrote does
// not, which is no finding.
//
// The memory it takes does not depend on the length of the log, except for a
// shared log: 16 bytes for each instance.
package main
