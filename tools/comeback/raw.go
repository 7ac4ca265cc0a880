package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"
)

// raw measures the disk and the loopback by themselves, with as many bytes as
// a checkpoint has.
func raw(c *cluster, w io.Writer) error {
	c.killAll()
	disk, err := rawDisk(filepath.Join(c.dir, "raw"), c.o.size)
	if err != nil {
		return err
	}
	loop, err := rawLoop(c.o.size)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "this machine: disk %.0f MB/s (write and sync), loopback %.0f MB/s\n", disk/1e6, loop/1e6)
	return nil
}

func rawDisk(name string, size int64) (perSecond float64, err error) {
	f, err := os.Create(name)
	if err != nil {
		return 0, err
	}
	defer os.Remove(name)
	block := make([]byte, 1<<20)
	for i := range block {
		block[i] = byte(i * 7)
	}
	began := time.Now()
	for left := size; left > 0 && err == nil; left -= int64(len(block)) {
		_, err = f.Write(block)
	}
	err = errors.Join(err, f.Sync(), f.Close())
	return float64(size) / time.Since(began).Seconds(), err
}

func rawLoop(size int64) (perSecond float64, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	sent := make(chan error, 1)
	go func() {
		to, err := net.Dial("tcp", l.Addr().String())
		block := make([]byte, 1<<20)
		for left := size; left > 0 && err == nil; left -= int64(len(block)) {
			_, err = to.Write(block)
		}
		if to != nil {
			err = errors.Join(err, to.Close())
		}
		sent <- err
	}()
	from, err := l.Accept()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	_, err = io.Copy(io.Discard, from)
	return float64(size) / time.Since(began).Seconds(), errors.Join(err, <-sent, from.Close())
}

// ensure makes a directory.
func ensure(dir string) error { return os.MkdirAll(dir, 0o755) }
