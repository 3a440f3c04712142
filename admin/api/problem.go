package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"codis/admin"
	"codis/raftstore/topology"
)

// problem is an error as RFC 9457 has them, with the code and the hint of CODIS.*
// refusals. It is an error, so that handlers return it.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	Hint   string `json:"hint,omitempty"`
}

// Error implements error.
func (p *problem) Error() string { return p.Code + " " + p.Detail }

// Codes of problems that are HTTP's own.
const (
	codeLogin    = "LOGIN"
	codeForbid   = "FORBIDDEN"
	codeNotFound = "NOTFOUND"
	codeMethod   = "METHOD"
	codeType     = "MEDIATYPE"
	codeTooLarge = "TOOLARGE"
	codeTooMany  = "TOOMANY"
)

// problemf makes a problem of a status and a code.
func problemf(status int, code, format string, args ...any) *problem {
	return &problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: fmt.Sprintf(format, args...)}
}

// hinted adds what to do.
func (p *problem) hinted(hint string) *problem {
	p.Hint = hint
	return p
}

// statusOf is the status of a refusal, by its code.
func statusOf(code topology.Code) int {
	switch code {
	case topology.CodeNoGroup, topology.CodeNoServer, topology.CodeNoNode, topology.CodeNoJob:
		return http.StatusNotFound
	case topology.CodeExists, topology.CodeBusy, topology.CodeStale, topology.CodeUpgrade:
		return http.StatusConflict
	case topology.CodeBadArg:
		return http.StatusBadRequest
	case admin.CodeServer:
		return http.StatusUnprocessableEntity
	case admin.CodeNoLeader:
		return http.StatusServiceUnavailable
	case admin.CodeUnknown:
		return http.StatusGatewayTimeout
	default:
		return http.StatusInternalServerError
	}
}

// problemOf gives every error a problem.
func problemOf(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	var refusal *topology.Error
	if errors.As(err, &refusal) {
		return problemf(statusOf(refusal.Code), string(refusal.Code), "%s", refusal.Message).hinted(refusal.Hint)
	}
	return problemf(http.StatusInternalServerError, "ERR", "%s", err)
}

// writeProblem answers with an error.
func writeProblem(w http.ResponseWriter, err error) {
	p := problemOf(err)
	body, err := json.Marshal(p)
	if err != nil {
		body = []byte(`{}`) // texts and a number always have a JSON form
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n')) // the client that went away is the only error
}
