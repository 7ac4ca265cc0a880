// Package crowd makes those who serve many at once take more in one go, without
// a timer: a goroutine that is about to write lets those go first that would
// have something for the same write. Where nobody else can run, nothing is
// waited for; where all processors are busy, fewer and larger writes and syncs
// are what makes many groups quick.
package crowd
