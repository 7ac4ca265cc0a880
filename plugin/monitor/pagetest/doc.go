// Package pagetest drives the status page of package monitor in a real
// Chromium. It has tests only:
//
//	go test ./plugin/monitor/pagetest -artifacts -outputdir DIR
//
// leaves screenshots in DIR/_artifacts. Without a browser the tests are
// skipped and say so; where the environment has CI=true they fail instead.
// install.sh installs the browser on Debian.
package pagetest
