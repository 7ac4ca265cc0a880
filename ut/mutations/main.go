// Mutations proves that each unit test of package ut can fail: it makes one
// deliberate fault after the other in a copy of the repository and runs the
// test that has to notice. See README.md.
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
	"slices"
	"strings"
	"text/tabwriter"
)

func main() {
	pattern := flag.String("run", "", "try only the faults whose test's name, such as Acceptor.OnPrepare_Promise, matches")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *pattern, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutations:", err)
		os.Exit(1)
	}
}

// run tries the mutations that match and prints a table.
func run(ctx context.Context, pattern string, out io.Writer) (err error) {
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
	defer func() { err = errors.Join(err, c.remove()) }()
	if err := c.checkSound(ctx); err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TEST\tFAULT\tRESULT")
	tried := 0
	var bad []string
	for _, m := range mutations {
		if !match.MatchString(m.test) {
			continue
		}
		tried++
		result := "fails, as it must"
		if err := c.try(ctx, m); err != nil {
			result = "WRONG: " + err.Error()
			bad = append(bad, m.test)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", m.test, m.fault, result)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(bad) > 0 {
		return fmt.Errorf("%d of %d faults went wrong: %s", len(bad), tried, strings.Join(bad, ", "))
	}
	fmt.Fprintf(out, "%d faults, each found by its test\n", tried)
	return nil
}

// checkSound makes sure that without a fault all tests pass, and that they are
// the ones that the table has faults for.
func (c *checkoutCopy) checkSound(ctx context.Context) error {
	binary, err := c.build(ctx)
	if err != nil {
		return err
	}
	output, err := c.test(ctx, binary, ".")
	if err != nil {
		return fmt.Errorf("the tests fail without any fault: %w\n%s", err, output)
	}
	var passed, known []string
	for _, line := range regexp.MustCompile(`(?m)^ +--- PASS: Test(\w+)/(\w+) `).FindAllStringSubmatch(output, -1) {
		passed = append(passed, line[1]+"."+line[2])
	}
	for _, m := range mutations {
		known = append(known, m.test)
	}
	slices.Sort(passed)
	slices.Sort(known)
	if !slices.Equal(passed, known) {
		return fmt.Errorf("the tests are\n  %s\nand the table has faults for\n  %s",
			strings.Join(passed, " "), strings.Join(known, " "))
	}
	return nil
}
