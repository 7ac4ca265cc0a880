package metrics

import "github.com/prometheus/client_golang/prometheus"

// descs are names, helps and labels of all metrics of a node.
type descs struct {
	events, proposals, failed                                        *prometheus.Desc
	sent, received, diskBytes, proposedBytes, taughtBytes            *prometheus.Desc
	durations                                                        [durationKinds]*prometheus.Desc
	batch                                                            *prometheus.Desc
	start, diskQueue, diskBusy, peerSilence                          *prometheus.Desc
	groups, stopped, led, masterless, lagging, lagMax                *prometheus.Desc
	working, waiting, packets                                        *prometheus.Desc
	groupInstance, groupLag, groupMinChosen, groupMaster, groupLease *prometheus.Desc
	groupStopped, groupMembers, groupWaiting                         *prometheus.Desc
}

// durationNames are the middle of the names of histograms, with their help.
var durationNames = [durationKinds]struct{ name, help string }{
	Proposal:     {"proposal_duration_seconds", "Time from Propose or BatchPropose to its result, of calls that succeeded."},
	Instance:     {"instance_duration_seconds", "Time from the first round of a value of this node until it was chosen."},
	GateWait:     {"gate_wait_seconds", "Time that callers waited until their group was free for them."},
	QueueWait:    {"queue_wait_seconds", "Time that proposals waited in the queue of their group."},
	Prepare:      {"prepare_duration_seconds", "Time of a prepare round until a majority promised."},
	Accept:       {"accept_duration_seconds", "Time of an accept round until a majority accepted."},
	DiskSync:     {"disk_sync_duration_seconds", "Time of one write of all groups' records, with its sync."},
	Append:       {"storage_append_duration_seconds", "Time of the log storage's append of one group's records, with its sync."},
	IndexWrite:   {"storage_index_write_duration_seconds", "Time of the log storage's write to its index."},
	NetworkQueue: {"network_queue_wait_seconds", "Time that packets waited until they were handed to the system."},
}

func newDescs(node prometheus.Labels) (d descs) {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("phxpaxos_"+name, help, labels, node)
	}
	d.events = desc("events_total", "Events inside the node, by the name of their kind (package event).", "event")
	d.proposals = desc("proposals_total", "Proposals that succeeded, each entry of BatchPropose counted.")
	d.failed = desc("proposals_failed_total", "Proposals that failed, each entry of BatchPropose counted, by reason.", "reason")
	d.sent = desc("network_sent_bytes_total", "Bytes of packets handed to the default network.", "transport")
	d.received = desc("network_received_bytes_total", "Bytes of packets that arrived by the default network.", "transport")
	d.diskBytes = desc("disk_written_bytes_total", "Bytes of records that the disk goroutine made durable.")
	d.proposedBytes = desc("proposed_bytes_total", "Bytes of values that this node's proposers drove.")
	d.taughtBytes = desc("taught_bytes_total", "Bytes of chosen values sent to nodes that missed them.")
	for i, n := range durationNames {
		d.durations[i] = desc(n.name, n.help)
	}
	d.batch = desc("batch_proposals", "Proposals that share one instance; single ones are not counted.")
	d.start = desc("node_start_time_seconds", "When the node started, in seconds since 1970.")
	d.diskQueue = desc("disk_queue_records", "Records that wait for the disk.")
	d.diskBusy = desc("disk_busy_seconds", "For how long the running write of the disk goroutine has been running; 0 if none is.")
	d.peerSilence = desc("peer_silence_seconds", "Time since another node was last heard.", "peer")
	newGroupDescs(&d, desc)
	return d
}

func newGroupDescs(d *descs, desc func(name, help string, labels ...string) *prometheus.Desc) {
	d.groups = desc("groups", "Groups of the node.")
	d.stopped = desc("groups_stopped", "Groups that have stopped because going on would be unsafe.")
	d.led = desc("groups_led", "Groups that this node is master of.")
	d.masterless = desc("groups_masterless", "Groups that had a master and, as far as this node knows, have none.")
	d.lagging = desc("groups_lagging", "Groups that are behind another node.")
	d.lagMax = desc("lag_instances", "Instances that the group which is furthest behind lacks.")
	d.working = desc("proposals_in_progress", "Calls of Propose and BatchPropose that groups work on.")
	d.waiting = desc("proposals_waiting", "Callers that wait until their group is free for them.")
	d.packets = desc("inbox_packets", "Packets that wait for the goroutines of the groups.")

	d.groupInstance = desc("group_instance", "Current, undecided instance of the group.", "group")
	d.groupLag = desc("group_lag_instances", "Instances that the group is behind the furthest node it heard of.", "group")
	d.groupMinChosen = desc("group_log_start_instance", "Lowest instance that the group's log keeps.", "group")
	d.groupMaster = desc("group_is_master", "1 if this node is master of the group.", "group")
	d.groupLease = desc("group_lease_left_seconds", "Time left of the master's lease as this node counts it; 0 if there is no master.", "group")
	d.groupStopped = desc("group_stopped", "1 if the group has stopped.", "group")
	d.groupMembers = desc("group_members", "Members of the group.", "group")
	d.groupWaiting = desc("group_proposals", "Proposals of the group that are being worked at or wait.", "group")
}

// all are all of them, for Describe.
func (d *descs) all() []*prometheus.Desc {
	return append(d.durations[:],
		d.events, d.proposals, d.failed, d.sent, d.received, d.diskBytes, d.proposedBytes, d.taughtBytes,
		d.batch, d.start, d.diskQueue, d.diskBusy, d.peerSilence,
		d.groups, d.stopped, d.led, d.masterless, d.lagging, d.lagMax, d.working, d.waiting, d.packets,
		d.groupInstance, d.groupLag, d.groupMinChosen, d.groupMaster, d.groupLease,
		d.groupStopped, d.groupMembers, d.groupWaiting)
}
