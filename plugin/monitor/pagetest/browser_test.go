package pagetest

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
)

// found is the browser, "" if there is none.
var found = sync.OnceValue(func() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
})

// tab is a page that is open in a browser.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	problems []string // what the console and the network said
	lost     bool     // the server is meant to be gone
}

// browser is the one browser of all tests; each test has a window of its own,
// with nothing kept from another one. end stops it.
var browser = sync.OnceValues(func() (context.Context, error) {
	dir, err := os.MkdirTemp("", "pagetest")
	if err != nil {
		return nil, err
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(found()), chromedp.UserDataDir(dir), chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
	}
	for _, flag := range []string{"headless", "no-sandbox", "disable-gpu", "disable-quic", "disable-background-networking",
		"disable-component-update", "disable-sync", "disable-extensions", "disable-default-apps", "mute-audio", "hide-scrollbars"} {
		options = append(options, chromedp.Flag(flag, true))
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, quit := chromedp.NewContext(ctx)
	end = append(end, func() {
		quit()
		stop()
		os.RemoveAll(dir)
	})
	return ctx, chromedp.Do(ctx) // starts it
})

// end is what is to be done when all tests have ended.
var end []func()

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	for _, f := range end {
		f()
	}
	os.Exit(code)
}

// needsBrowser skips the test, or fails it in CI, where there is no browser.
func needsBrowser(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: the page is not driven in a browser")
	}
	if found() != "" {
		return
	}
	const what = "no Chromium here: plugin/monitor/pagetest/install.sh installs one"
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// open opens a page of the given width. What goes wrong in the page fails the
// test.
func open(t *testing.T, address string, width int) *tab {
	t.Helper()
	needsBrowser(t)
	parent, err := browser()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := chromedp.NewContext(parent, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	stop := context.AfterFunc(await.Context(t), cancel)
	t.Cleanup(func() { stop() })
	b := &tab{t: t, ctx: ctx}
	t.Cleanup(b.check)
	host := ""
	if u, err := url.Parse(address); err == nil {
		host = u.Host
	}
	if err := chromedp.Listen(ctx, func(ev any) { b.listen(ev, host) }); err != nil {
		t.Fatal(err)
	}
	call(b, network.Enable, network.EnableParams{})
	call(b, log.Enable, cdp.Empty{})
	b.size(width, 900)
	b.run(chromedp.Navigate(address))
	return b
}

// listen takes note of errors and of requests to elsewhere.
func (b *tab) listen(ev any, host string) {
	problem := ""
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		problem = fmt.Sprintf("exception: %s %+v", ev.ExceptionDetails.Text, ev.ExceptionDetails.Exception)
	case *runtime.EventConsoleAPICalled:
		if ev.Type == runtime.ConsoleAPICalledTypeError || ev.Type == runtime.ConsoleAPICalledTypeWarning {
			problem = fmt.Sprintf("console: %v", ev.Args)
		}
	case *log.EventEntryAdded:
		if ev.Entry.Level == log.EntryLevelError || ev.Entry.Level == log.EntryLevelWarning {
			problem = "log: " + ev.Entry.Text + " " + ev.Entry.URL
		}
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(ev.Request.URL); err != nil || u.Scheme != "data" && u.Host != host {
			problem = "request to elsewhere: " + ev.Request.URL
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if problem != "" && !(b.lost && strings.HasPrefix(problem, "log: Failed to load resource")) {
		b.problems = append(b.problems, problem)
	}
}

// loses allows the page to lose its server from now on.
func (b *tab) loses() {
	b.mu.Lock()
	b.lost = true
	b.mu.Unlock()
}

func (b *tab) check() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.problems {
		b.t.Errorf("the page: %s", p)
	}
}

// call calls the browser itself.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	result, err := chromedp.Call(b.ctx, command, params)
	if err != nil {
		b.t.Fatalf("%s: %v", command.Method, err)
	}
	return result
}

func (b *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// eval is a string that the page computes.
func (b *tab) eval(script string) string {
	b.t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("String("+script+")"))
	if err != nil {
		b.t.Fatalf("%s: %v", script, err)
	}
	return text
}

// text is what an element says.
func (b *tab) text(selector string) string {
	b.t.Helper()
	return b.eval(fmt.Sprintf("(document.querySelector(%q) || {textContent: '(no such element)'}).textContent", selector))
}

// until waits until the page computes what is wanted. A script that fails has
// not computed it yet: what it looks for may not be there.
func (b *tab) until(what, script, want string) {
	b.t.Helper()
	got := ""
	await.Show(b.t, what, func() bool {
		got = b.eval(fmt.Sprintf(`(() => { try { return String(%s); } catch (e) { return "not yet: " + e; } })()`, script))
		return got == want
	}, func() string { return fmt.Sprintf("%q, want %q", got, want) })
}

// untilText waits until an element says what is wanted.
func (b *tab) untilText(selector, want string) {
	b.t.Helper()
	b.until(selector, fmt.Sprintf("document.querySelector(%q).textContent", selector), want)
}

// click clicks an element, if a pointer could.
func (b *tab) click(selector string) {
	b.t.Helper()
	// Looking and clicking is one step of the page, or it could move between.
	got := b.eval(fmt.Sprintf(`((e) => {
		if (!e) return "there is no such element";
		e.scrollIntoView({ block: "center", behavior: "instant" });
		const r = e.getBoundingClientRect(), top = document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2);
		if (!e.contains(top)) return "it is covered by " + (top ? top.outerHTML.slice(0, 100) : "nothing");
		top.click();
		return "";
	})(document.querySelector(%q))`, selector))
	if got != "" {
		b.t.Fatalf("click %s: %s", selector, got)
	}
}

// resize changes the width of the window, and waits until the page is drawn.
func (b *tab) resize(width, height int) {
	b.t.Helper()
	b.size(width, height)
	b.drawn()
}

func (b *tab) size(width, height int) {
	b.t.Helper()
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: int64(width), Height: int64(height), DeviceScaleFactor: 1, Mobile: width < 600,
	})
}

// drawn waits for two frames: what was asked for in one is there in the next.
func (b *tab) drawn() {
	b.t.Helper()
	const frames = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
	if _, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](frames, chromedp.EvalAwaitPromise)); err != nil {
		b.t.Fatal(err)
	}
}

// theme lets the system prefer light or dark.
func (b *tab) theme(name string) {
	b.t.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	})
	b.until("theme", "document.documentElement.dataset.theme", name)
	b.drawn()
}

// shoot writes a picture of the whole page to the artefacts.
func (b *tab) shoot(name string) {
	b.t.Helper()
	b.eval("scrollTo({ top: 0, behavior: 'instant' })")
	b.drawn()
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.t.ArtifactDir(), name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
