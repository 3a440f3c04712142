package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
)

// maxBody is how large a body may be.
const maxBody = 1 << 20

func badRequest(format string, args ...any) *problem {
	return problemf(http.StatusBadRequest, "BADARG", format, args...)
}

// takeBody checks the kind of a body and bounds it. A request that could change
// something has to say that it brings JSON even if it brings nothing: no page of
// another site can make a browser say so without asking first.
func takeBody(w http.ResponseWriter, r *http.Request) error {
	switch r.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || kind != "application/json" {
			return problemf(http.StatusUnsupportedMediaType, codeType, "the body is %q", r.Header.Get("Content-Type")).
				hinted("send JSON, with the header Content-Type: application/json")
		}
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	return nil
}

// decode reads a body as a T: one JSON object with no field that T has not. An empty
// body is an empty object.
func decode[T any](r *http.Request) (T, error) {
	var v T
	text, err := readBody(r)
	if err != nil || len(bytes.TrimSpace(text)) == 0 {
		return v, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&v); err != nil {
		return v, bodyProblem(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return v, badRequest("there is something behind the JSON object")
	}
	return v, nil
}

// readBody reads what takeBody has bounded.
func readBody(r *http.Request) ([]byte, error) {
	text, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, problemf(http.StatusRequestEntityTooLarge, codeTooLarge, "the body has more than %d bytes", maxBody)
	case err != nil:
		return nil, badRequest("the body can't be read: %v", err)
	}
	return text, nil
}

// bodyProblem words what encoding/json says.
func bodyProblem(err error) *problem {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) && kind.Field != "" {
		return badRequest("field %q can't be a %s", kind.Field, kind.Value)
	}
	return badRequest("the body: %s", strings.TrimPrefix(err.Error(), "json: ")).hinted(Prefix + "/openapi.json describes it")
}
