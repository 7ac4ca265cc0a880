// Package logstoragetest checks that a log storage keeps the contract of
// storage.LogStorage. It is promised to users: whoever brings a storage of their
// own runs the suite in a test of theirs.
//
//	func TestStorage(t *testing.T) {
//		logstoragetest.Run(t, logstoragetest.Factory{
//			Open:   func(t *testing.T, groups int) storage.LogStorage { … },
//			Reopen: func(t *testing.T, closed storage.LogStorage) storage.LogStorage { … },
//			Fail:   func(t *testing.T, s storage.LogStorage, group int) { … },
//		})
//	}
//
// It asks for what agreement rests on: what a write returned for is read back
// whole, also after a reopening; records come in their order; a trimmed, cleared
// or closed storage says so; and a group that failed once takes nothing more
// until it was opened again. What only a crash shows, it cannot ask for: whether
// Write has really reached the disk is for a test with a file system that loses
// power, such as storage/memfs, or for a real one.
package logstoragetest
