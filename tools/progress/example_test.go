package progress_test

import (
	"os"
	"time"

	"github.com/phxpaxos/phxpaxos-go/tools/progress"
)

func Example() {
	p := progress.New(os.Stdout, time.Hour) // no terminal here: a line each hour
	for i := range 1000 {
		p.At(float64(i)/1000, "counting")
	}
	p.End()
	// Output:
}
