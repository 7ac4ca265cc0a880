// Vfile_fetch prints records of one value file, from an offset on
// (spec/storage-api.md section 10.3).
//
//	vfile_fetch <filepath> <beginoffset> <fetch count>
//
// It goes by the file alone, so it also reads files that a node would refuse,
// and changes nothing. Standard output is the original's to the letter. If
// the file lies in a storage directory that a node uses, it refuses. The exit
// code is 0, 2 if the arguments make no sense, or 1 for every other failure.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/phxpaxos/phxpaxos-go/tools/logdir"
)

const (
	exitFailed = 1
	exitUsage  = 2
)

func main() { os.Exit(run(os.Args, os.Stdout, os.Stderr)) }

func run(args []string, out, errOut io.Writer) int {
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	err := flags.Parse(args[1:])
	help := errors.Is(err, flag.ErrHelp)
	if err != nil || flags.NArg() != 3 {
		fmt.Fprintf(out, "%s <filepath> <beginoffset> <fetch count>\n", args[0])
		if help {
			return 0
		}
		return exitUsage
	}
	complain := func(err error) { fmt.Fprintf(errOut, "%s: %v\n", args[0], err) }
	name := flags.Arg(0)
	offset, errOffset := strconv.ParseInt(flags.Arg(1), 10, 64)
	count, errCount := strconv.ParseInt(flags.Arg(2), 10, 64)
	if errOffset != nil || offset < 0 {
		complain(fmt.Errorf("beginoffset is %q, must be 0 or more", flags.Arg(1)))
		return exitUsage
	}
	if errCount != nil {
		complain(fmt.Errorf("fetch count is %q, must be a number", flags.Arg(2)))
		return exitUsage
	}
	f, err := open(name)
	if errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(out, "file not exist, filepath %s\n", name)
		return exitFailed
	}
	if err != nil {
		complain(err)
		return exitFailed
	}
	defer f.Close()
	if err := fetch(out, f, f.size, offset, count); err != nil {
		if !errors.Is(err, errSaid) {
			complain(err)
		}
		return exitFailed
	}
	return 0
}

// file is a value file, and the lock of the group that it belongs to.
type file struct {
	*os.File
	size int64
	lock io.Closer
}

// open opens the file. If it is <group>/vfile/<n>.f its group is locked.
func open(name string) (*file, error) {
	if err := logdir.RefuseShared(name); err != nil {
		return nil, err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a file", name)
	}
	opened := &file{File: f}
	if err == nil {
		opened.size = st.Size()
		opened.lock, err = lockGroupOf(name)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return opened, nil
}

func lockGroupOf(name string) (io.Closer, error) {
	whole, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	if whole, err = filepath.EvalSymlinks(whole); err != nil {
		return nil, err
	}
	dir := filepath.Dir(whole)
	if filepath.Base(dir) != "vfile" {
		return nil, nil // a copy somewhere else
	}
	return logdir.Lock(filepath.Dir(dir))
}

// Close releases the group and the file.
func (f *file) Close() error {
	var err error
	if f.lock != nil {
		err = f.lock.Close()
	}
	return errors.Join(err, f.File.Close())
}
