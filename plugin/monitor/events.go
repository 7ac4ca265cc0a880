package monitor

import (
	"net/http"
	"time"
)

// writeMax is how long a viewer may take to receive one message.
const writeMax = 10 * time.Second

// events serves one viewer until it leaves, as server-sent events.
func (c *cluster) events(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead {
		return
	}
	v := &viewer{queue: make(chan []byte, viewerQueue), err: make(chan error, 1)}
	select {
	case c.join <- v:
	case <-c.ended:
		http.Error(w, errClosed.Error(), http.StatusServiceUnavailable)
		return
	}
	if err := <-v.err; err != nil {
		w.Header().Set("Retry-After", "10")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	defer func() {
		select {
		case c.leave <- v:
		case <-c.ended:
		}
	}()
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // the server's bound is for requests that end
	for {
		select {
		case message, ok := <-v.queue:
			if !ok {
				return
			}
			_ = control.SetWriteDeadline(time.Now().Add(writeMax))
			if _, err := w.Write(message); err != nil {
				return
			}
			if control.Flush() != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}
