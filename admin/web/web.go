// Package web is the page that every node serves: static files inside the binary,
// which talk to this node's HTTP API and to nothing else. It knows no operation
// and holds no state; what the page shows and does is admin/api's. admin mounts it.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
)

//go:embed static
var static embed.FS

const (
	indexName   = "index.html"
	assetPrefix = "/assets/"
)

// policy keeps the page to itself: a name that a server was given can't become a
// script, and nothing is asked of another host.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

// Handler serves the page at / and its files below /assets/.
type Handler struct {
	// files is by request path.
	files map[string]file
}

// file is one answer, ready to be sent.
type file struct {
	plain, packed []byte // packed is nil where gzip does not make it smaller
	kind, tag     string
	// lasting files are named after their content, so that browsers never ask again.
	lasting bool
}

// New prepares the embedded files. It fails only when the binary was built from
// files that do not fit together.
func New() (*Handler, error) {
	content, err := fs.Sub(static, "static")
	if err != nil {
		return nil, fmt.Errorf("read the page's files: %w", err)
	}
	return newHandler(content)
}

func newHandler(content fs.FS) (*Handler, error) {
	raw, err := readAll(content)
	if err != nil {
		return nil, fmt.Errorf("read the page's files: %w", err)
	}
	index, ok := raw[indexName]
	if !ok {
		return nil, fmt.Errorf("read the page's files: %s is missing", indexName)
	}
	base := assetPrefix + digest(raw)
	h := &Handler{files: make(map[string]file, len(raw))}
	for name, body := range raw {
		if name != indexName {
			h.files[base+"/"+name] = newFile(name, body, true)
		}
	}
	page := strings.NewReplacer("{{assets}}", base, "{{preload}}", preload(base, raw)).Replace(string(index))
	h.files["/"] = newFile(indexName, []byte(page), false)
	return h, nil
}

func readAll(content fs.FS) (map[string][]byte, error) {
	raw := map[string][]byte{}
	err := fs.WalkDir(content, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		raw[name], err = fs.ReadFile(content, name)
		return err
	})
	return raw, err
}

// digest names the files' content as a whole: modules import each other by
// relative names, so all of them change their address when one changes.
func digest(raw map[string][]byte) string {
	sum := sha256.New()
	for _, name := range sortedNames(raw) {
		fmt.Fprintf(sum, "%s %d\n", name, len(raw[name]))
		sum.Write(raw[name])
	}
	return hex.EncodeToString(sum.Sum(nil))[:16]
}

// preload lists the modules, so that a browser fetches all of them at once and
// not one import after the other.
func preload(base string, raw map[string][]byte) string {
	var links []string
	for _, name := range sortedNames(raw) {
		if path.Ext(name) == ".js" && path.Dir(name) != "uplot" && name != "main.js" {
			links = append(links, fmt.Sprintf(`<link rel="modulepreload" href="%s/%s">`, base, name))
		}
	}
	return strings.Join(links, "\n")
}

func sortedNames(raw map[string][]byte) []string {
	names := make([]string, 0, len(raw))
	for name := range raw {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func newFile(name string, body []byte, lasting bool) file {
	sum := sha256.Sum256(body)
	return file{plain: body, packed: pack(body), kind: contentType(name), tag: `"` + hex.EncodeToString(sum[:8]) + `"`, lasting: lasting}
}

func contentType(name string) string {
	switch path.Ext(name) {
	case ".js": // what the system's table says of it differs
		return "text/javascript; charset=utf-8"
	case "":
		return "text/plain; charset=utf-8"
	}
	return mime.TypeByExtension(path.Ext(name))
}

// pack is body under gzip, nil when that is no gain.
func pack(body []byte) []byte {
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(body)
		err = errors.Join(err, w.Close())
	}
	if err != nil || packed.Len() >= len(body) {
		return nil
	}
	return packed.Bytes()
}

// ServeHTTP answers GET and HEAD.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	setSecurity(head)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		head.Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD are allowed here", http.StatusMethodNotAllowed)
		return
	}
	f, ok := h.files[r.URL.Path]
	if !ok {
		head.Set("Cache-Control", "no-store")
		http.Error(w, "there is no such file; the page is at /", http.StatusNotFound)
		return
	}
	f.serve(w, r)
}

func setSecurity(head http.Header) {
	head.Set("Content-Security-Policy", policy)
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("X-Frame-Options", "DENY")
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("Cross-Origin-Opener-Policy", "same-origin")
	head.Set("Cross-Origin-Resource-Policy", "same-origin")
}

func (f file) serve(w http.ResponseWriter, r *http.Request) {
	head, body := w.Header(), f.plain
	head.Set("Content-Type", f.kind)
	head.Set("Vary", "Accept-Encoding")
	head.Set("Cache-Control", "no-cache")
	if f.lasting {
		head.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	tag := f.tag
	if f.packed != nil && takesGzip(r.Header.Get("Accept-Encoding")) {
		head.Set("Content-Encoding", "gzip")
		body, tag = f.packed, strings.TrimSuffix(f.tag, `"`)+`-gzip"`
	}
	head.Set("ETag", tag)
	if knows(r.Header.Get("If-None-Match"), tag) {
		head.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	head.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		// The client that went away is the only error, and it is gone.
		_, _ = w.Write(body)
	}
}

// takesGzip reads Accept-Encoding: gzip is named, and not with weight 0.
func takesGzip(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		name, parameters, _ := strings.Cut(part, ";")
		if strings.TrimSpace(name) != "gzip" {
			continue
		}
		weight, weighed := strings.CutPrefix(strings.ReplaceAll(parameters, " ", ""), "q=")
		q, err := strconv.ParseFloat(weight, 64)
		return !weighed || err == nil && q > 0
	}
	return false
}

// knows reads If-None-Match.
func knows(match, tag string) bool {
	for part := range strings.SplitSeq(match, ",") {
		if part = strings.TrimPrefix(strings.TrimSpace(part), "W/"); part == tag || part == "*" {
			return true
		}
	}
	return false
}
