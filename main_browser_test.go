package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	cdpruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// checkScript lists what is wrong with a page for people who can't see it well.
//
//go:embed testdata/page/check.js
var checkScript string

// artefacts is where pictures of the page are kept: CODIS_ARTEFACTS, else a
// directory that goes away.
func artefacts(tb testing.TB) string {
	if dir := os.Getenv("CODIS_ARTEFACTS"); dir != "" {
		return dir
	}
	return tb.TempDir()
}

// startBrowser starts a Chromium that ends with the test.
func startBrowser(tb testing.TB) context.Context {
	tb.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		tb.Fatalf("chromium is needed: testdata/install.sh chromium: %v", err)
	}
	options := []chromedp.ExecAllocatorOption{chromedp.ExecPath(path), chromedp.UserDataDir(tb.TempDir()),
		chromedp.WSURLReadTimeout(patience), chromedp.NoSandbox}
	for _, flag := range []string{"headless", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
		"disable-component-update", "disable-sync", "disable-dev-shm-usage", "mute-audio", "hide-scrollbars"} {
		options = append(options, chromedp.Flag(flag, true))
	}
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	tb.Cleanup(end)
	ctx, stop := chromedp.NewContext(allocator)
	tb.Cleanup(stop)
	if err := chromedp.Do(ctx); err != nil {
		tb.Fatalf("start %s: %v", path, err)
	}
	return ctx
}

// page is a tab with storage of its own, and what it should never do.
type page struct {
	tb   testing.TB
	ctx  context.Context
	host string

	mu sync.Mutex
	// complaints are errors on the console, dialogs that scripts opened, and requests
	// to other hosts.
	complaints []string
	// away says that the node may be away, so that failed requests are no news.
	away bool
}

// openPage opens a node's page; it fails the test at the end when the page has
// complained.
func openPage(tb testing.TB, browser context.Context, host string) *page {
	tb.Helper()
	ctx, end := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	tb.Cleanup(end)
	p := &page{tb: tb, ctx: ctx, host: host}
	if err := chromedp.Listen(ctx, p.hear); err != nil { // opens the tab, too
		tb.Fatal(err)
	}
	for domain, enable := range map[string]func() error{
		"network": func() error { return call(ctx, network.Enable, network.EnableParams{}) },
		"log":     func() error { return call(ctx, log.Enable, struct{}{}) },
	} {
		if err := enable(); err != nil {
			tb.Fatalf("listen to the %s: %v", domain, err)
		}
	}
	p.run("open", chromedp.EmulateViewport(1600, 1000), chromedp.Navigate("http://"+host+"/"))
	tb.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, text := range p.complaints {
			tb.Errorf("the page: %s", text)
		}
	})
	return p
}

// hear is called by the browser's goroutine.
func (p *page) hear(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err != nil || u.Scheme != "data" && u.Host != p.host {
			p.complaints = append(p.complaints, "it asked for "+e.Request.URL)
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError && !(p.away && e.Entry.Source == log.EntrySourceNetwork) {
			p.complaints = append(p.complaints, fmt.Sprintf("%s %s", e.Entry.Text, e.Entry.URL))
		}
	case *cdpruntime.EventExceptionThrown:
		p.complaints = append(p.complaints, describe(e.ExceptionDetails))
	case *cdpruntime.EventConsoleAPICalled:
		if e.Type == cdpruntime.ConsoleAPICalledTypeError || e.Type == cdpruntime.ConsoleAPICalledTypeWarning {
			p.complaints = append(p.complaints, fmt.Sprintf("console: %s", e.Args[0].Value))
		}
	case *cdppage.EventJavascriptDialogOpening:
		p.complaints = append(p.complaints, "a dialog: "+e.Message)
	}
}

// expectAway says whether failed requests are no news.
func (p *page) expectAway(away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
}

// describe is an exception in one line.
func describe(e *cdpruntime.ExceptionDetails) string {
	if e.Exception != nil {
		return e.Text + " " + e.Exception.Description
	}
	return e.Text
}

// call runs a command of the protocol that answers nothing of interest.
func call[P, R any](ctx context.Context, command cdp.Command[P, R], params P) error {
	_, err := chromedp.Call(ctx, command, params)
	return err
}

func (p *page) run(what string, steps ...chromedp.Action[chromedp.Void]) {
	p.tb.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.tb.Fatalf("%s: %v", what, err)
	}
}

// eval evaluates an expression in a page.
func eval[T any](p *page, expression string) T {
	p.tb.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		p.tb.Fatalf("evaluate %s: %v", expression, err)
	}
	return value
}

// do evaluates for its effect.
func (p *page) do(expression string) {
	p.tb.Helper()
	eval[chromedp.Void](p, expression)
}

// text is what the page shows.
func (p *page) text() string {
	p.tb.Helper()
	return eval[string](p, `document.body.innerText`)
}

// wait waits until an expression is true.
func (p *page) wait(what, expression string) {
	p.tb.Helper()
	waitFor(p.tb, what, func() error {
		if !eval[bool](p, "Boolean("+expression+")") {
			return fmt.Errorf("the page shows %.2000s", p.text())
		}
		return nil
	})
}

// see waits until the page shows a text.
func (p *page) see(text string) {
	p.tb.Helper()
	p.wait(fmt.Sprintf("%q", text), "document.body.innerText.includes("+quoteJS(text)+")")
}

// find is an expression for the first usable element with a name, in the dialog
// when one is open.
func find(name string) string {
	return fmt.Sprintf(`[...(document.querySelector("dialog[open]") ?? document).querySelectorAll("button, a[href], summary, input, label, [role=gridcell]")]
		.find((el) => !el.disabled && el.checkVisibility() && (el.getAttribute("aria-label") ?? el.textContent).trim() === %s)`, quoteJS(name))
}

// click clicks with the mouse on what has a name, and fails when something else
// lies over it.
func (p *page) click(name string) {
	p.tb.Helper()
	p.wait("something to click: "+name, find(name))
	p.clickOn(find(name))
}

// clickOn does so on the element of an expression. The page may be drawn anew
// between the look and the click, so places are read until they stay.
func (p *page) clickOn(element string) {
	p.tb.Helper()
	var place struct{ X, Y float64 }
	waitFor(p.tb, "a place to click: "+element, func() error {
		place = eval[struct{ X, Y float64 }](p, fmt.Sprintf(`(() => { const el = %s; if (!el) return {x: -1, y: -1}; el.scrollIntoView({block: "nearest", inline: "nearest"});
			const box = el.getBoundingClientRect(); return {x: box.x + box.width / 2, y: box.y + box.height / 2}; })()`, element))
		over := eval[string](p, fmt.Sprintf(`(() => { const el = %s, top = document.elementFromPoint(%f, %f);
			return !el || !top ? "nothing is there" : el.contains(top) || top.contains(el) ? "" : top.outerHTML.slice(0, 200); })()`, element, place.X, place.Y))
		if over != "" {
			return fmt.Errorf("covered by %s", over)
		}
		return nil
	})
	p.run("click "+element, chromedp.MouseClickXY(place.X, place.Y))
}

// fill types into the control with an id, in place of what is there.
func (p *page) fill(id, text string) {
	p.tb.Helper()
	element := "document.getElementById(" + quoteJS(id) + ")"
	p.wait("the field "+id, element)
	p.do(element + ".focus(), " + element + ".select()")
	if err := call(p.ctx, input.InsertText, input.InsertTextParams{Text: text}); err != nil {
		p.tb.Fatalf("type into %s: %v", id, err)
	}
}

func (p *page) press(keys string, modifiers ...chromedp.Modifier) {
	p.tb.Helper()
	p.run("press a key", chromedp.KeyEvent(keys, chromedp.KeyModifiers(modifiers...)))
}

// visit goes to a view and waits until it is drawn.
func (p *page) visit(view string) {
	p.tb.Helper()
	p.do(fmt.Sprintf(`location.hash = "#/%s"`, view))
	p.wait("the view "+view, fmt.Sprintf(`document.querySelector("nav [aria-current]")?.hash === "#/%s" && !document.querySelector(".skeleton")`, view))
}

// look is a size and a colour scheme.
type look struct {
	width  int64
	scheme string
}

func (l look) String() string { return fmt.Sprintf("%d-%s", l.width, l.scheme) }

var looks = []look{{360, "light"}, {360, "dark"}, {1024, "light"}, {1600, "light"}, {1600, "dark"}}

// dress gives the page a size and a scheme.
func (p *page) dress(l look) {
	p.tb.Helper()
	p.run("change the size", chromedp.EmulateViewport(l.width, 1000))
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: l.scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}
	if err := call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features}); err != nil {
		p.tb.Fatal(err)
	}
	// Drawn twice, so that what follows the size has followed it.
	p.run("draw", chromedp.Evaluate[chromedp.Void](`new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(null))))`,
		chromedp.EvalAwaitPromise))
}

// check looks for what is wrong for people who can't see the page well.
func (p *page) check(where string) {
	p.tb.Helper()
	wrong := eval[[]string](p, checkScript)
	slices.Sort(wrong)
	for _, text := range slices.Compact(wrong) {
		p.tb.Errorf("%s: %s", where, text)
	}
}

// shoot keeps a picture of the page, all of it, or what is seen of it.
func (p *page) shoot(dir, name string, whole bool) {
	p.tb.Helper()
	action := chromedp.CaptureScreenshot()
	if whole {
		action = chromedp.FullScreenshot(100)
	}
	picture, err := chromedp.Run(p.ctx, action)
	if err != nil {
		p.tb.Fatalf("take the picture %s: %v", name, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.tb.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644); err != nil {
		p.tb.Fatal(err)
	}
	if len(picture) < 5000 {
		p.tb.Errorf("%s: the picture has %d bytes: nothing is on it", name, len(picture))
	}
}

func quoteJS(text string) string {
	b, _ := json.Marshal(text) // a string always can be
	return string(b)
}
