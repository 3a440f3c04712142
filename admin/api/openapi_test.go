package api

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// mustDocument is the document, which must be a valid one.
func mustDocument(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestDocumentHasTheRoutes: what is answered is documented and the other way round,
// and so is whether it needs a session.
func TestDocumentHasTheRoutes(t *testing.T) {
	doc := mustDocument(t)
	var documented, answered []string
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			line := method + " " + path
			if op.Security != nil && len(*op.Security) == 0 {
				line += " open"
			}
			documented = append(documented, line)
		}
	}
	for _, rt := range routes() {
		line := rt.method + " " + rt.pattern
		if rt.open {
			line += " open"
		}
		answered = append(answered, line)
	}
	slices.Sort(documented)
	slices.Sort(answered)
	for _, line := range answered {
		if !slices.Contains(documented, line) {
			t.Errorf("not documented: %s", line)
		}
	}
	for _, line := range documented {
		if !slices.Contains(answered, line) {
			t.Errorf("not answered: %s", line)
		}
	}
}

// TestDocumentHasTheBodies: the fields of bodies are those that the handlers read.
func TestDocumentHasTheBodies(t *testing.T) {
	bodies := map[string]any{
		"POST /session": loginBody{}, "POST /groups": groupBody{}, "PUT /groups/{id}/auth": authBody{},
		"POST /groups/{id}/servers": memberBody{}, "POST /groups/{id}/promote": memberBody{}, "POST /groups/{id}/replace": memberBody{}, "PUT /groups/{id}/servers/{addr}/zone": zoneBody{},
		"POST /slots/assign": assignBody{}, "POST /migrations": migrateBody{}, "POST /rebalance": rebalanceBody{},
		"PATCH /jobs/{id}": limitBody{}, "PATCH /settings": map[string]string{}, "POST /import": map[string]any{}, "POST /fsck/repair": repairBody{},
		"POST /nodes/{id}/transfer": struct{}{}, "POST /jobs/{id}/pause": struct{}{}, "POST /jobs/{id}/resume": struct{}{},
		"POST /jobs/{id}/cancel": struct{}{}, "POST /jobs/{id}/force": struct{}{},
	}
	doc := mustDocument(t)
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			name := method + " " + path
			body, known := bodies[name]
			delete(bodies, name)
			if !known || op.RequestBody == nil {
				if known || op.RequestBody != nil {
					t.Errorf("%s: the document and the handler do not agree on whether there is a body", name)
				}
				continue
			}
			schema := op.RequestBody.Value.Content.Get("application/json").Schema.Value
			want := fieldsOf(reflect.TypeOf(body))
			var got []string
			for field := range schema.Properties {
				got = append(got, field)
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s: documented %q, read %q", name, got, want)
			}
		}
	}
	for name := range bodies {
		t.Errorf("%s: not documented", name)
	}
}

// fieldsOf lists the JSON names of a struct's fields.
func fieldsOf(t reflect.Type) []string {
	var names []string
	if t.Kind() != reflect.Struct {
		return nil
	}
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
