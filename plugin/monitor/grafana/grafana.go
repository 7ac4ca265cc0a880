package grafana

import _ "embed"

// Dashboard is the dashboard, as JSON.
//
//go:embed dashboard.json
var Dashboard []byte

// Alerts are the alert rules, as YAML.
//
//go:embed alerts.yml
var Alerts []byte
