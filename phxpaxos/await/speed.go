package await

import (
	"os"
	"testing"
	"time"
)

// SpeedVariable is the environment variable that makes tests compare how long
// something takes with what it may take on a quiet machine.
const SpeedVariable = "PHXPAXOS_TEST_SPEED"

// Took logs how long something took. Where SpeedVariable is set and it took
// longer than most, the test fails; it goes on in any case.
func Took(t testing.TB, what string, took, most time.Duration) {
	t.Helper()
	switch slow := took > most; {
	case slow && os.Getenv(SpeedVariable) != "":
		t.Errorf("%s after %v, want at most %v", what, took.Round(time.Millisecond), most)
	case slow:
		t.Logf("%s after %v; a quiet machine takes at most %v", what, took.Round(time.Millisecond), most)
	default:
		t.Logf("%s after %v", what, took.Round(time.Millisecond))
	}
}
