// Package certtest makes certificates for tests: an authority, and what it
// issues, good or bad in a chosen way. The keys are not protected. It also has
// what tests of guarded networks need again and again: a guard, where its
// events and lines go, and addresses that nobody else takes. It is promised to
// users, for tests of theirs.
package certtest
