// Package report is what a node's monitor says of it: the JSON of /api/status,
// which other nodes' monitors and the status page read. The package is
// promised to users as far as the JSON is concerned: fields are added, none
// is removed or changes its meaning.
package report
