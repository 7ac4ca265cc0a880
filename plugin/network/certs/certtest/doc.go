// Package certtest makes certificates for tests: an authority, and what it
// issues, good or bad in a chosen way. The keys are not protected. It is
// promised to users, for tests of theirs.
package certtest
