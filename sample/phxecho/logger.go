package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/phxpaxos/phxpaxos-go/plugin/logger"
)

// openLogger opens the log files of the program in dir, and creates dir.
func openLogger(dir string) (*logger.Handler, error) {
	if err := os.MkdirAll(dir, 0o775); err != nil {
		return nil, fmt.Errorf("log directory: %w", err)
	}
	return logger.New(logger.Options{Module: "phxecho", Dir: dir, Level: slog.LevelInfo})
}
