// Phxpaxos_convert writes the log of a node that is not running again in the
// other layout: a log of the original's layout as a shared log, and the other
// way round.
//
//	phxpaxos_convert [-large] [-q] FROM TO
//
// FROM is what a node got as LogStoragePath. Nothing in it is changed. TO must
// not exist; its parent must. What is written goes to TO.converting first, is
// made durable, read back in full and compared with FROM, and only then gets
// its name; so a directory TO is always complete. A TO.converting that an
// earlier run left is in the way, and is for you to remove.
//
// TO belongs to the node that FROM belongs to: node, cluster, groups, directory
// id and incarnation are carried over, and the layout is set. A FROM that does
// not say whose it is gives a TO that does not. An identity that is damaged, or
// of a newer version, ends the run with exit code 1.
//
// The newest record of every instance, the membership, the master and the
// lowest kept instance are carried over, and so are the ledger of each group,
// the mark of a node that may not vote yet, and what the members agreed on: the
// level of the features, its limit and the cluster. A damaged one of these
// files, or one of a newer version, ends the run with exit code 1. Older records of an instance are not,
// nor is a checkpoint that was being received: a node asks for it again.
//
// -large makes value files of 500 MB, as nodes with LargeValueMode have them.
// -q leaves out the progress, which goes to standard error. The exit code:
//
//	0  TO is there, and holds what FROM holds
//	1  FROM is damaged or cannot be read, TO cannot be written, or they differ
//	2  wrong arguments, FROM holds no log, TO exists, or a node uses FROM
package main
