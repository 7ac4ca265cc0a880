package logger

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"
	"unicode"
)

// Handler is a slog.Handler that writes glog's files. All methods are safe for
// concurrent use.
type Handler struct {
	level slog.Leveler
	out   *output
	attrs slog.Handler // renders the attributes into out.text
}

// output is shared by a handler and all that were derived from it.
type output struct {
	sink sink

	mu   sync.Mutex // guards text between rendering and copying
	text bytes.Buffer
}

// severity is glog's: the index of its name in severities.
type severity int

const (
	info severity = iota
	warning
	failure
)

// sink takes whole lines. Its methods are safe for concurrent use.
type sink interface {
	// write writes a line without its end. pc is the place that it comes from,
	// or 0; it must not keep text.
	write(s severity, at time.Time, pc uintptr, text []byte) error
	flush() error
	close() error
}

var _ interface {
	slog.Handler
	io.Closer
} = (*Handler)(nil)

func newHandler(level slog.Leveler, sink sink) *Handler {
	out := &output{sink: sink}
	// Level and message are written by the sink and by Handle; text is only for
	// what a caller adds. The standard handler does it, with groups, values
	// that log themselves and quoting.
	attrs := slog.NewTextHandler(&out.text, &slog.HandlerOptions{
		Level:       slog.Level(-1 << 31),
		ReplaceAttr: withoutBuiltins,
	})
	return &Handler{level: level, out: out, attrs: attrs}
}

// withoutBuiltins drops the level and the empty message of the record that
// Handle makes up.
func withoutBuiltins(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	_, isLevel := a.Value.Any().(slog.Level)
	if a.Key == slog.LevelKey && isLevel || a.Key == slog.MessageKey && a.Value.Kind() == slog.KindString && a.Value.String() == "" {
		return slog.Attr{}
	}
	return a
}

// Enabled reports whether records of the level are written.
func (h *Handler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

// Handle writes one record as one line: the message, and behind it the
// attributes as key=value. It may block on the disk.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	var line bytes.Buffer
	line.WriteString(message(r.Message))
	if err := h.writeAttrs(ctx, r, &line); err != nil {
		return fmt.Errorf("render the attributes of a log record: %w", err)
	}
	return h.out.sink.write(severityOf(r.Level), r.Time, r.PC, line.Bytes())
}

// writeAttrs appends the record's attributes, and those of the handler, to line.
func (h *Handler) writeAttrs(ctx context.Context, r slog.Record, line *bytes.Buffer) error {
	bare := slog.Record{Level: r.Level, PC: r.PC}
	r.Attrs(func(a slog.Attr) bool {
		bare.AddAttrs(a)
		return true
	})
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	h.out.text.Reset()
	if err := h.attrs.Handle(ctx, bare); err != nil {
		return err
	}
	if text := bytes.TrimRight(h.out.text.Bytes(), "\n"); len(text) > 0 {
		line.WriteByte(' ')
		line.Write(text)
	}
	return nil
}

// severityOf maps a level to glog's severity; glog has none below INFO.
func severityOf(level slog.Level) severity {
	switch {
	case level >= slog.LevelError:
		return failure
	case level >= slog.LevelWarn:
		return warning
	default:
		return info
	}
}

// position is the place of a program counter, as "file:line".
func position(pc uintptr) string {
	if pc == 0 {
		return "???:1"
	}
	frame, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	if frame.File == "" {
		return "???:1"
	}
	return filepath.Base(frame.File) + ":" + strconv.Itoa(frame.Line)
}

// message quotes a message that could be mistaken for more than one line.
func message(s string) string {
	for _, r := range s {
		if unicode.IsControl(r) {
			return strconv.Quote(s)
		}
	}
	return s
}

// WithAttrs returns a handler that adds attrs to every record.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Handler{level: h.level, out: h.out, attrs: h.attrs.WithAttrs(attrs)}
}

// WithGroup returns a handler that puts all further attributes into a group.
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{level: h.level, out: h.out, attrs: h.attrs.WithGroup(name)}
}

// Flush writes out what is buffered. It blocks on the disk.
func (h *Handler) Flush() error { return h.out.sink.flush() }

// Close writes out what is buffered and, if the files are the handler's own,
// closes them; records that come later are then refused. glog's cannot be
// closed: a handler of New stays usable. It blocks on the disk.
func (h *Handler) Close() error { return h.out.sink.close() }
