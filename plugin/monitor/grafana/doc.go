// Package grafana holds a dashboard for Grafana and alert rules for
// Prometheus, for the metrics of package metrics. Import dashboard.json in
// Grafana, which asks for nothing but the data source, and name alerts.yml
// under rule_files in Prometheus. They are also here as variables, for
// programs that install them.
package grafana
