// Package page is the status page of package monitor: one HTML document with
// style and script inside, which loads nothing from anywhere. The sources are
// page.html, page.css and the scripts beside them, which are read in the
// order of their names:
//
//	1-base.js     numbers as text, elements, the look of the page
//	2-store.js    what the server has told
//	3-plots.js    the plots of the last 15 minutes
//	4-nodes.js    the summary and the cards of the nodes
//	5-groups.js   heat map, table and dialog of the groups
//	6-live.js     server-sent events
//
// All text that came from a node is put into the document as text, never as
// markup, and the policy of the page forbids every script but its own.
package page
