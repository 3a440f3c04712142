package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"codis/raftstore/topology"
)

// The functions of this file turn bodies into the words of commands. What words may
// be is for the grammar of CODIS.* to say, but for addresses: those must not be taken
// for key words.

type authBody struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

// words are what AUTH is followed by; no password stands for the cluster's own.
func (b authBody) words() []string {
	if b.User == "" {
		return []string{b.Password}
	}
	return []string{b.User, b.Password}
}

type groupBody struct {
	ID      int       `json:"id"`
	Servers []string  `json:"servers"`
	Force   bool      `json:"force"`
	Auth    *authBody `json:"auth"`
}

// addGroup picks the next ID when there is none.
func addGroup(a *API, r *http.Request) (ask, error) {
	body, err := decode[groupBody](r)
	if err != nil {
		return ask{}, err
	}
	for _, addr := range body.Servers {
		if err := topology.CheckAddr(addr); err != nil {
			return ask{}, err
		}
	}
	if body.ID == 0 {
		if body.ID, err = a.freeGroup(r); err != nil {
			return ask{}, err
		}
	}
	words := append([]string{"CODIS.GROUP", "ADD", strconv.Itoa(body.ID)}, body.Servers...)
	words = forced(words, body.Force)
	if body.Auth != nil {
		words = append(append(words, "AUTH"), body.Auth.words()...)
	}
	return ask{words: words, status: http.StatusCreated, location: fmt.Sprintf("%s/groups/%d", Prefix, body.ID)}, nil
}

// freeGroup is the ID above all others. Who is faster gets it; the other one is told
// that the group exists.
func (a *API) freeGroup(r *http.Request) (int, error) {
	text, err := a.cfg.Ops.JSON(r.Context(), r.RemoteAddr, wordsGroups...)
	if err != nil {
		return 0, err
	}
	var groups []struct {
		ID int `json:"id"`
	}
	if err := json.Unmarshal(text, &groups); err != nil {
		return 0, err
	}
	top := 0
	for _, g := range groups {
		top = max(top, g.ID)
	}
	return top + 1, nil
}

func deleteGroup(_ *API, r *http.Request) (ask, error) {
	return ask{words: []string{"CODIS.GROUP", "DEL", r.PathValue("id")}}, nil
}

func setGroupAuth(_ *API, r *http.Request) (ask, error) {
	body, err := decode[authBody](r)
	return ask{words: append([]string{"CODIS.GROUP", "AUTH", r.PathValue("id")}, body.words()...)}, err
}

type memberBody struct {
	Addr  string `json:"addr"`
	Force bool   `json:"force"`
}

func attachServer(_ *API, r *http.Request) (ask, error) {
	body, err := decode[memberBody](r)
	return ask{words: forced([]string{"CODIS.GROUP", "ATTACH", r.PathValue("id"), body.Addr}, body.Force)}, err
}

func detachServer(_ *API, r *http.Request) (ask, error) {
	force, err := queryBool(r, "force")
	return ask{words: forced([]string{"CODIS.GROUP", "DETACH", r.PathValue("id"), r.PathValue("addr")}, force)}, err
}

// turnGroup is PROMOTE or REPLACE.
func turnGroup(verb string) func(*API, *http.Request) (ask, error) {
	return func(_ *API, r *http.Request) (ask, error) {
		body, err := decode[memberBody](r)
		return ask{words: forced([]string{"CODIS.GROUP", verb, r.PathValue("id"), body.Addr}, body.Force)}, err
	}
}

type zoneBody struct {
	Zone string `json:"zone"`
}

func setZone(_ *API, r *http.Request) (ask, error) {
	body, err := decode[zoneBody](r)
	return ask{words: []string{"CODIS.GROUP", "ZONE", r.PathValue("id"), r.PathValue("addr"), body.Zone}}, err
}

func removeNode(_ *API, r *http.Request) (ask, error) {
	force, err := queryBool(r, "force")
	return ask{words: forced([]string{"CODIS.NODE", "REMOVE", r.PathValue("id")}, force)}, err
}

func transferLeadership(_ *API, r *http.Request) (ask, error) {
	_, err := decode[struct{}](r)
	return ask{words: []string{"CODIS.NODE", "TRANSFER", r.PathValue("id")}}, err
}

type assignBody struct {
	Start *int `json:"start"`
	End   *int `json:"end"`
	Group *int `json:"group"`
	Auto  bool `json:"auto"`
}

func assignSlots(_ *API, r *http.Request) (ask, error) {
	body, err := decode[assignBody](r)
	if err != nil {
		return ask{}, err
	}
	numbers, err := numbers(named{"start", body.Start}, named{"end", body.End}, named{"group", body.Group})
	switch {
	case body.Auto && body.Start == nil && body.End == nil && body.Group == nil:
		return ask{words: []string{"CODIS.ASSIGN", "AUTO"}}, nil
	case body.Auto:
		return ask{}, badRequest("auto is for all slots: leave start, end and group out")
	}
	return ask{words: append([]string{"CODIS.ASSIGN"}, numbers...)}, err
}

// moveBody is what goes with every job.
type moveBody struct {
	DryRun         bool  `json:"dry_run"`
	Consent        bool  `json:"consent"`
	Force          bool  `json:"force"`
	KeysPerSecond  int64 `json:"keys_per_second"`
	BytesPerSecond int64 `json:"bytes_per_second"`
}

// ask adds the options to the words of a job.
func (b moveBody) ask(words []string) ask {
	if b.Consent {
		words = append(words, "CONSENT")
	}
	words = forced(words, b.Force)
	if b.KeysPerSecond != 0 {
		words = append(words, "KEYS", strconv.FormatInt(b.KeysPerSecond, 10))
	}
	if b.BytesPerSecond != 0 {
		words = append(words, "BYTES", strconv.FormatInt(b.BytesPerSecond, 10))
	}
	if b.DryRun {
		return ask{words: append(words, "DRYRUN")}
	}
	return ask{words: words, job: true}
}

type migrateBody struct {
	Start *int `json:"start"`
	End   *int `json:"end"`
	Group *int `json:"group"`
	From  *int `json:"from"`
	To    *int `json:"to"`
	Count *int `json:"count"`
	moveBody
}

func migrate(_ *API, r *http.Request) (ask, error) {
	body, err := decode[migrateBody](r)
	if err != nil {
		return ask{}, err
	}
	some, whole := body.From != nil || body.To != nil || body.Count != nil, body.Start != nil || body.End != nil || body.Group != nil
	if some == whole {
		return ask{}, badRequest("want either start, end and group, or from, to and count")
	}
	words, list := []string{"CODIS.MIGRATE"}, []named{{"start", body.Start}, {"end", body.End}, {"group", body.Group}}
	if some {
		words, list = append(words, "COUNT"), []named{{"count", body.Count}, {"from", body.From}, {"to", body.To}}
	}
	numbers, err := numbers(list...)
	return body.ask(append(words, numbers...)), err
}

type rebalanceBody struct {
	By      string         `json:"by"`
	Weights map[string]int `json:"weights"`
	moveBody
}

func rebalance(_ *API, r *http.Request) (ask, error) {
	body, err := decode[rebalanceBody](r)
	if err != nil {
		return ask{}, err
	}
	words := []string{"CODIS.REBALANCE"}
	if body.By != "" {
		words = append(words, "BY", body.By)
	}
	if len(body.Weights) > 0 {
		words = append(words, "WEIGHT")
	}
	for group, weight := range body.Weights {
		if _, err := strconv.Atoi(group); err != nil {
			return ask{}, badRequest("weights: %q is not a group", group)
		}
		words = append(words, group, strconv.Itoa(weight))
	}
	return body.ask(words), nil
}

// changeJob is PAUSE, RESUME, CANCEL or FORCE.
func changeJob(verb string) func(*API, *http.Request) (ask, error) {
	return func(_ *API, r *http.Request) (ask, error) {
		_, err := decode[struct{}](r)
		return ask{words: []string{"CODIS.JOB", r.PathValue("id"), verb}}, err
	}
}

type limitBody struct {
	KeysPerSecond  *int `json:"keys_per_second"`
	BytesPerSecond *int `json:"bytes_per_second"`
}

func limitJob(_ *API, r *http.Request) (ask, error) {
	body, err := decode[limitBody](r)
	if err != nil {
		return ask{}, err
	}
	words := []string{"CODIS.JOB", r.PathValue("id"), "LIMIT"}
	if body.KeysPerSecond != nil {
		words = append(words, "KEYS", strconv.Itoa(*body.KeysPerSecond))
	}
	if body.BytesPerSecond != nil {
		words = append(words, "BYTES", strconv.Itoa(*body.BytesPerSecond))
	}
	if len(words) == 3 {
		return ask{}, badRequest("want keys_per_second, bytes_per_second or both")
	}
	return ask{words: words}, nil
}

type repairBody struct {
	Orphans bool `json:"orphans"`
}

func repair(_ *API, r *http.Request) (ask, error) {
	body, err := decode[repairBody](r)
	words := []string{"CODIS.FSCK", "REPAIR"}
	if body.Orphans {
		words = append(words, "ORPHANS")
	}
	return ask{words: words}, err
}

// importCluster passes the text on as it is: it may be one of another version, or of
// Codis 3.
func importCluster(_ *API, r *http.Request) (ask, error) {
	dry, err := queryBool(r, "dry_run")
	if err != nil {
		return ask{}, err
	}
	text, err := readBody(r)
	words := []string{"CODIS.IMPORT", string(text)}
	if dry {
		words = append(words, "DRYRUN")
	}
	return ask{words: words}, err
}

// setSettings changes several settings, one after the other: all are checked before the
// first is changed.
func (a *API) setSettings(w http.ResponseWriter, r *http.Request) error {
	body, err := decode[map[string]string](r)
	if err != nil {
		return err
	}
	if len(body) == 0 {
		return badRequest("want the settings to change, by name")
	}
	names := make([]string, 0, len(body))
	for name, value := range body {
		if err := topology.CheckSetting(name, value); err != nil {
			return err
		}
		names = append(names, name)
	}
	slices.Sort(names)
	notes := []string{}
	for i, name := range names {
		answer, err := a.cfg.Ops.JSON(r.Context(), caller(r), "CODIS.CONFIG", "SET", name, body[name])
		if err != nil {
			p := problemOf(err)
			if i > 0 {
				p.Detail += fmt.Sprintf(" (changed before: %v)", names[:i])
			}
			return p
		}
		var done struct {
			Notes []string `json:"notes"`
		}
		if err := json.Unmarshal(answer, &done); err != nil {
			return err
		}
		notes = append(notes, done.Notes...)
	}
	return writeValue(w, http.StatusOK, map[string][]string{"notes": notes})
}

// forced adds the word FORCE when it is asked for.
func forced(words []string, force bool) []string {
	if force {
		return append(words, "FORCE")
	}
	return words
}

// queryBool reads the one parameter of a request whose body has no place for it.
func queryBool(r *http.Request, name string) (bool, error) {
	values, err := query(r, name)
	if err != nil || !values.Has(name) {
		return false, err
	}
	value, err := strconv.ParseBool(values.Get(name))
	if err != nil {
		return false, badRequest("%s is %q, want true or false", name, values.Get(name))
	}
	return value, nil
}

// named is a number of a body that must be there.
type named struct {
	name  string
	value *int
}

// numbers writes numbers as words.
func numbers(list ...named) ([]string, error) {
	words := make([]string, len(list))
	for i, n := range list {
		if n.value == nil {
			return nil, badRequest("field %q is missing", n.name)
		}
		words[i] = strconv.Itoa(*n.value)
	}
	return words, nil
}
