// Package crashtest plays random histories on a log storage over a file system
// in memory that loses power, fails and fills up, and compares what is found
// afterwards with a simple model. It is for the tests of the storages here.
package crashtest
