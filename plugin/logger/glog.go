package logger

import (
	"bytes"
	"io"
	"time"

	"github.com/golang/glog"
)

// glogWriter is a sink that hands lines to glog. Its bridge from the standard
// log is the one way to give glog a position that is not a fixed number of
// calls away.
type glogWriter [3]io.Writer // by severity

func glogSink() sink {
	var g glogWriter
	for s, name := range severities {
		g[s] = glog.NewStandardLogger(name).Writer()
	}
	return g
}

func (g glogWriter) write(s severity, _ time.Time, pc uintptr, text []byte) error {
	var line bytes.Buffer
	line.WriteString(position(pc)) // taken apart again by the bridge
	line.WriteString(": ")
	line.Write(text)
	_, err := g[s].Write(line.Bytes())
	return err
}

func (glogWriter) flush() error { glog.Flush(); return nil }

func (glogWriter) close() error { glog.Flush(); return nil }
