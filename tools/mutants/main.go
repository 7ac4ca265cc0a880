package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
)

func main() {
	pattern := flag.String("run", "", "try only the bugs whose name matches this `expression`")
	doc := flag.String("doc", "", "write the table between its marks in this `file` as well")
	seeds := flag.Uint64("seeds", 1000, "a bug that survives so many seeds is an error")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *pattern, *doc, *seeds, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// run tries the bugs that match and prints a table.
func run(ctx context.Context, pattern, doc string, seeds uint64, out io.Writer) (err error) {
	match, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	root, err := findRoot()
	if err != nil {
		return err
	}
	c, err := newCopy(root)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(c.temp)) }()
	table := "| bug | seeds until it is found | the check that finds it |\n| --- | ---: | --- |\n"
	fmt.Fprint(out, table)
	var bad []error
	tried := 0
	for _, m := range mutants {
		if !match.MatchString(m.bug) {
			continue
		}
		tried++
		seed, check, err := c.try(ctx, m, seeds)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		line := fmt.Sprintf("| %s | %d | %s |\n", m.bug, seed, check)
		if seed == 0 {
			line = fmt.Sprintf("| %s | over %d | %s |\n", m.bug, seeds, check)
		}
		if err != nil {
			bad = append(bad, fmt.Errorf("%s: %w", m.bug, err))
			line = fmt.Sprintf("| %s | – | NOT FOUND |\n", m.bug)
		}
		fmt.Fprint(out, line)
		table += line
	}
	if len(bad) > 0 {
		return fmt.Errorf("%d of %d bugs went wrong:\n%w", len(bad), tried, errors.Join(bad...))
	}
	if doc == "" {
		return nil
	}
	return replaceTable(doc, table)
}

// The marks around the table in the document.
const (
	tableBegin = "<!-- go run ./tools/mutants -doc writes from here -->\n"
	tableEnd   = "<!-- to here -->\n"
)

// replaceTable puts a table between the marks in a file.
func replaceTable(file, table string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), tableBegin)
	_, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		return fmt.Errorf("%s lacks the marks %q and %q", file, strings.TrimSpace(tableBegin), strings.TrimSpace(tableEnd))
	}
	return os.WriteFile(file, []byte(before+tableBegin+table+tableEnd+after), 0o644)
}
