// Package logger writes logs into glog's files, as the original's glog plugin
// does (spec/storage-api.md section 8.2). It is a slog.Handler, so it goes
// wherever a *slog.Logger is asked for:
//
//	handler, err := logger.Open(logger.Options{Module: "phxecho", Dir: "./log"})
//	if err != nil { … }
//	defer handler.Close()
//	options.Logger = slog.New(handler)
//
// There are two ways to come by one. Open has files of its own. New writes
// through github.com/golang/glog, into the files that the rest of the program
// writes to with it.
//
// The files are, in Dir, for each severity,
//
//	<module>.<host>.<user>.log.<severity>.<yyyymmdd-hhmmss>.<pid>
//
// with <module>.INFO, <module>.WARNING and <module>.ERROR pointing to the
// newest. What is logged with a higher severity is repeated in the files of
// the lower ones. Nothing is written to stderr. slog's Error is glog's ERROR,
// Warn its WARNING, Info and Debug its INFO. All files are there from the
// start, because one line of severity ERROR, "init_glog_warning_file", is
// written first, as the original does. The original's levels 1, 2 and 3 are
// slog.LevelError, LevelWarn and LevelInfo.
//
// # What glog makes impossible
//
// glog keeps its state in package variables and command line flags, so there
// is one set of files for a process. Two nodes in one process that log to two
// places, or a node that must go on when the disk is full, use Open, which
// shares nothing with glog but the form of its files. With New:
//
//   - The directory cannot be changed once a line has been written. New says
//     so with ErrConfigured instead of writing to the wrong place. Handlers
//     for the same directory, with levels and modules of their own, can be
//     made at any time.
//   - The names of the files begin with the name of the program, not with
//     Module. Where they differ, New adds symbolic links named after Module,
//     such as phxecho.INFO, which lead to the newest file as well.
//   - If a log file cannot be written, say because the disk is full, glog
//     ends the process.
//   - INFO lines are buffered for up to 30 seconds. Close, or Flush, writes
//     them out.
//
// Importing this package adds glog's flags (log_dir, v, vmodule and others) to
// the flags of the program, and starts glog's one goroutine, which runs until
// the program ends, whether New is called or not.
//
// The package is promised to users.
package logger
