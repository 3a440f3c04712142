package api

import (
	_ "embed" // the document below
	"net/http"
)

// document describes the API, as OpenAPI 3.1. It is written by hand; tests hold it
// against the routes, the bodies that they take, and the answers of a real cluster.
//
//go:embed openapi.json
var document []byte

func (a *API) showDocument(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, document)
	return nil
}
