package statemachine

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	logLineMax  = 64 << 10 // bytes; the rest of a longer line is dropped
	logFieldMax = 64       // fields of a line; the others are dropped
	logRateMax  = 1000     // lines a second: a mad child must not fill the host's disk
	lastLines   = 5        // kept for the error that says why a child did not start …
	lastBytes   = 300      // … of each so much
)

// childLogs takes what a child writes into the host's log, line by line.
type childLogs struct {
	logger *slog.Logger

	mu      sync.Mutex
	second  int64
	count   int
	dropped int
	last    []string
}

// read takes lines until the end of r.
func (l *childLogs) read(r io.Reader, stream string) {
	in := bufio.NewReaderSize(r, logLineMax)
	for {
		line, err := in.ReadSlice('\n')
		cut := errors.Is(err, bufio.ErrBufferFull)
		if len(bytes.TrimSpace(line)) > 0 {
			l.line(line, stream)
		}
		for cut { // the rest of the line
			_, err = in.ReadSlice('\n')
			cut = errors.Is(err, bufio.ErrBufferFull)
		}
		if err != nil {
			return
		}
	}
}

// Write takes whole lines, as they come from the log package of a child.
func (l *childLogs) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		if len(bytes.TrimSpace(line)) > 0 {
			l.line(line[:min(len(line), logLineMax)], "stdout")
		}
	}
	return len(p), nil
}

// line logs one line.
func (l *childLogs) line(line []byte, stream string) {
	dropped, ok := l.allow(string(line[:min(len(line), lastBytes)]))
	if !ok {
		return
	}
	level, text, attrs := parseLine(line)
	attrs = append(attrs, slog.String("stream", stream))
	if dropped > 0 {
		attrs = append(attrs, slog.Int("notLogged", dropped))
	}
	l.logger.LogAttrs(context.Background(), level, text, attrs...)
}

// allow counts the line in the running second.
func (l *childLogs) allow(line string) (dropped int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last = append(l.last, strings.ToValidUTF8(strings.TrimSpace(line), "?")); len(l.last) > lastLines {
		l.last = l.last[1:]
	}
	if now := time.Now().Unix(); now != l.second {
		l.second, l.count = now, 0
	}
	if l.count++; l.count > logRateMax {
		l.dropped++
		return 0, false
	}
	dropped, l.dropped = l.dropped, 0
	return dropped, true
}

// lastWords is what the child wrote last.
func (l *childLogs) lastWords() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.last, "; ")
}

// parseLine understands lines of slog.JSONHandler, and of the handler that
// other plugins of this kind use; what is neither is the text as it is.
func parseLine(line []byte) (slog.Level, string, []slog.Attr) {
	plain := strings.ToValidUTF8(strings.TrimSpace(string(line)), "?")
	fields := map[string]any{}
	if !strings.HasPrefix(plain, "{") || json.Unmarshal(line, &fields) != nil {
		return slog.LevelInfo, plain, nil
	}
	text, level, prefix := "", "", ""
	if _, ok := fields["@message"]; ok {
		prefix = "@"
		text, ok = fields["@message"].(string)
		level, _ = fields["@level"].(string)
		if !ok {
			return slog.LevelInfo, plain, nil
		}
	} else {
		var ok bool
		if text, ok = fields[slog.MessageKey].(string); !ok {
			return slog.LevelInfo, plain, nil
		}
		level, _ = fields[slog.LevelKey].(string)
	}
	for _, known := range []string{"message", "timestamp", slog.MessageKey, slog.LevelKey, slog.TimeKey} {
		delete(fields, prefix+known)
	}
	var attrs []slog.Attr
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if len(attrs) == logFieldMax {
			break
		}
		if name != "" && utf8.ValidString(name) {
			attrs = append(attrs, slog.Any(name, fields[name]))
		}
	}
	return parseLevel(level), text, attrs
}

func parseLevel(s string) slog.Level {
	var level slog.Level
	switch strings.ToLower(s) {
	case "trace":
		return slog.LevelDebug
	case "warning":
		return slog.LevelWarn
	case "fatal":
		return slog.LevelError
	}
	if level.UnmarshalText([]byte(s)) != nil {
		return slog.LevelInfo
	}
	return level
}
