package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

// maxPage is what the whole page may weigh on its way to a browser.
const maxPage = 150 << 10

func newTestHandler(tb testing.TB) *Handler {
	tb.Helper()
	h, err := New()
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

func ask(h http.Handler, method, target string, header http.Header) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func readBody(tb testing.TB, r *http.Response) string {
	tb.Helper()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

var asset = regexp.MustCompile(`(?:href|src)="([^"]+)"`)

// assets lists the addresses that the page names, those of modules included.
func assets(tb testing.TB, h http.Handler) (list []string) {
	tb.Helper()
	for _, match := range asset.FindAllStringSubmatch(readBody(tb, ask(h, "GET", "/", nil)), -1) {
		if !strings.HasPrefix(match[1], "#") {
			list = append(list, match[1])
		}
	}
	return list
}

func TestPageAndAssets(t *testing.T) {
	t.Parallel()
	h := newTestHandler(t)
	list := assets(t, h)
	if len(list) < 20 {
		t.Fatalf("the page names %d files: %q", len(list), list)
	}
	for _, address := range list {
		r := ask(h, "GET", address, nil)
		if r.StatusCode != http.StatusOK || r.ContentLength == 0 {
			t.Errorf("%s: %s, %d bytes", address, r.Status, r.ContentLength)
		}
		if got := r.Header.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
			t.Errorf("%s: Cache-Control %q", address, got)
		}
		kinds := map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
		if got, want := r.Header.Get("Content-Type"), kinds[path.Ext(address)]; got != want {
			t.Errorf("%s: Content-Type %q, want %q", address, got, want)
		}
	}
}

// TestEveryAnswerIsGuarded: also what is not there and what is not allowed.
func TestEveryAnswerIsGuarded(t *testing.T) {
	t.Parallel()
	h := newTestHandler(t)
	for _, c := range []struct {
		name, method, target string
		want                 int
	}{
		{"page", "GET", "/", 200},
		{"head", "HEAD", "/", 200},
		{"asset", "GET", assets(t, h)[0], 200},
		{"missing", "GET", "/assets/0/main.js", 404},
		{"no listing", "GET", path.Dir(assets(t, h)[0]) + "/", 404},
		{"not a file of the page", "GET", "/web.go", 404},
		{"outside", "GET", "/assets/../../web.go", 404},
		{"change", "POST", "/", 405},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := ask(h, c.method, c.target, nil)
			if r.StatusCode != c.want {
				t.Errorf("got %s, want %d", r.Status, c.want)
			}
			if c.method == "HEAD" && readBody(t, r) != "" {
				t.Error("HEAD got a body")
			}
			for name, want := range map[string]string{
				"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
			} {
				if got := r.Header.Get(name); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestCompressionAndTags(t *testing.T) {
	t.Parallel()
	h := newTestHandler(t)
	plain := ask(h, "GET", "/", nil)
	text := readBody(t, plain)
	for _, c := range []struct {
		accept string
		packed bool
	}{{"gzip, deflate, br", true}, {"br;q=1.0, gzip;q=0.2", true}, {"gzip;q=0", false}, {"gzip; q=0.0, *", false}, {"identity", false}, {"", false}} {
		r := ask(h, "GET", "/", http.Header{"Accept-Encoding": {c.accept}})
		if got := r.Header.Get("Content-Encoding") == "gzip"; got != c.packed {
			t.Errorf("%q: gzip is %v, want %v", c.accept, got, c.packed)
			continue
		}
		if c.packed && unpack(t, readBody(t, r)) != text {
			t.Errorf("%q: another text", c.accept)
		}
		if r.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: caches are not told that answers differ", c.accept)
		}
		again := ask(h, "GET", "/", http.Header{"Accept-Encoding": {c.accept}, "If-None-Match": {r.Header.Get("ETag")}})
		if again.StatusCode != http.StatusNotModified || readBody(t, again) != "" {
			t.Errorf("%q: asked again: %s", c.accept, again.Status)
		}
	}
	packed := ask(h, "GET", "/", http.Header{"Accept-Encoding": {"gzip"}})
	if packed.Header.Get("ETag") == plain.Header.Get("ETag") {
		t.Error("both forms have one tag")
	}
	if r := ask(h, "GET", "/", http.Header{"If-None-Match": {`"other"`}}); r.StatusCode != http.StatusOK {
		t.Errorf("another tag: %s", r.Status)
	}
}

func unpack(tb testing.TB, text string) string {
	tb.Helper()
	r, err := gzip.NewReader(strings.NewReader(text))
	if err != nil {
		tb.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		tb.Fatal(err)
	}
	return string(out)
}

// TestWeight: all that a browser fetches, compressed as browsers ask for it.
func TestWeight(t *testing.T) {
	t.Parallel()
	h := newTestHandler(t)
	var raw, sent int64
	for _, address := range append(assets(t, h), "/") {
		raw += ask(h, "GET", address, nil).ContentLength
		sent += ask(h, "GET", address, http.Header{"Accept-Encoding": {"gzip"}}).ContentLength
	}
	t.Logf("the page weighs %d bytes, %d as sent", raw, sent)
	if sent > maxPage {
		t.Errorf("%d bytes are sent, at most %d are meant to be", sent, maxPage)
	}
}

// TestAddressFollowsContent: a changed file changes the address of all, since
// modules import each other by relative names.
func TestAddressFollowsContent(t *testing.T) {
	t.Parallel()
	build := func(body string) []string {
		h, err := newHandler(fstest.MapFS{
			"index.html": {Data: []byte(`<script src="{{assets}}/main.js"></script>{{preload}}`)},
			"main.js":    {Data: []byte("1")}, "views/a.js": {Data: []byte(body)},
		})
		if err != nil {
			t.Fatal(err)
		}
		return assets(t, h)
	}
	one, same, other := build("a"), build("a"), build("b")
	if len(one) != 2 || one[0] != same[0] || one[0] == other[0] || one[1] == other[1] {
		t.Errorf("got %q, %q, %q", one, same, other)
	}
	if _, err := newHandler(fstest.MapFS{"main.js": {}}); err == nil {
		t.Error("a page without index.html was taken")
	}
}

// ownSources are the page's files but for the library's.
func ownSources(tb testing.TB) map[string]string {
	tb.Helper()
	content, err := fs.Sub(static, "static")
	if err != nil {
		tb.Fatal(err)
	}
	raw, err := readAll(content)
	if err != nil {
		tb.Fatal(err)
	}
	sources := map[string]string{}
	for name, body := range raw {
		if path.Dir(name) != "uplot" {
			sources[name] = string(bytes.TrimSpace(body))
		}
	}
	return sources
}

var imported = regexp.MustCompile(`(?m)^import .*from "([^"]+)";$`)

// TestImportsLead: every import names a file that is there.
func TestImportsLead(t *testing.T) {
	t.Parallel()
	sources := ownSources(t)
	seen := 0
	for name, text := range sources {
		for _, match := range imported.FindAllStringSubmatch(text, -1) {
			seen++
			if target := path.Join(path.Dir(name), match[1]); sources[target] == "" {
				t.Errorf("%s imports %s, which is not there", name, match[1])
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d imports were found", seen)
	}
}

// TestNothingMakesMarkup holds what keeps names from becoming markup or code, and
// the page from asking other hosts.
func TestNothingMakesMarkup(t *testing.T) {
	t.Parallel()
	forbidden := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|srcdoc|\beval\(|new Function|javascript:|style="|\son[a-z]+="`)
	elsewhere := regexp.MustCompile(`https?://[a-z0-9.]+`)
	namespace := "http://www.w3.org/2000/svg"
	for name, text := range ownSources(t) {
		if found := forbidden.FindString(text); found != "" {
			t.Errorf("%s has %q", name, found)
		}
		for _, address := range elsewhere.FindAllString(strings.ReplaceAll(text, namespace, ""), -1) {
			t.Errorf("%s names %s", name, address)
		}
	}
}
