// Package metrics turns what happens inside a node into Prometheus metrics.
// The package is promised to users.
//
// A Recorder is the event.Observer of one node: it adds up what the node does
// not count itself, durations and bytes, in atomics that are spread over the
// groups. A Collector reads them, the node's own counts of events and the
// status of its groups when somebody scrapes; between scrapes it costs
// nothing.
//
// # Series
//
// A node has about 400 series, whether it has one group or 10 000: groups are
// added up. The label node is the node's id, so that several nodes of one
// process can share a registry. Series with a label group exist for every
// group as long as there are at most Options.GroupSeries of them. With more
// groups only those that need attention have any: groups that have stopped,
// then those that lag most, at most GroupSeries in one scrape.
//
// Names end in their unit: _seconds, _bytes, _total for what only grows.
package metrics
