// Package progress shows a person at a terminal, or a log behind a pipe, how
// far long work is: a bar that is drawn again and again, or a line now and then.
// Both are limited, so whoever works may tell it of every step.
package progress
