package monitor

import (
	"fmt"
	"net/http"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"time"
)

// The profiles are served without net/http/pprof: importing that would add
// them to http.DefaultServeMux, and so to whatever else the program serves.

const (
	profileDefault = 30 * time.Second
	profileMax     = 5 * time.Minute // longer than anybody waits
)

// addProfiles serves what go tool pprof and go tool trace ask for.
func addProfiles(mux *http.ServeMux) {
	mux.HandleFunc("/debug/pprof/{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "profile?seconds=30\ntrace?seconds=1")
		for _, p := range pprof.Profiles() {
			fmt.Fprintf(w, "%s?debug=1\n", p.Name())
		}
	})
	mux.HandleFunc("/debug/pprof/profile", func(w http.ResponseWriter, r *http.Request) {
		timed(w, r, profileDefault, func() error { return pprof.StartCPUProfile(w) }, pprof.StopCPUProfile)
	})
	mux.HandleFunc("/debug/pprof/trace", func(w http.ResponseWriter, r *http.Request) {
		timed(w, r, time.Second, func() error { return trace.Start(w) }, trace.Stop)
	})
	mux.HandleFunc("/debug/pprof/{name}", func(w http.ResponseWriter, r *http.Request) {
		p := pprof.Lookup(r.PathValue("name"))
		if p == nil {
			http.Error(w, "there is no such profile; /debug/pprof/ lists them", http.StatusNotFound)
			return
		}
		debug, err := strconv.Atoi(r.URL.Query().Get("debug"))
		if err != nil || debug == 0 {
			debug = 0
			w.Header().Set("Content-Type", "application/octet-stream")
		}
		_ = p.WriteTo(w, debug) // whoever went away does not need it
	})
}

// timed runs a profile for as long as was asked for.
func timed(w http.ResponseWriter, r *http.Request, length time.Duration, start func() error, stop func()) {
	if text := r.URL.Query().Get("seconds"); text != "" {
		seconds, err := strconv.ParseFloat(text, 64)
		length = time.Duration(seconds * float64(time.Second))
		if err != nil || !(seconds > 0) || seconds > profileMax.Seconds() {
			http.Error(w, fmt.Sprintf("seconds is %.40q, must be above 0 and at most %v", text, profileMax.Seconds()), http.StatusBadRequest)
			return
		}
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{})
	w.Header().Set("Content-Type", "application/octet-stream")
	if err := start(); err != nil {
		http.Error(w, "one is being taken already: "+err.Error(), http.StatusConflict)
		return
	}
	defer stop()
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
}
