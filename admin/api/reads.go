package api

import (
	"net/http"
	"net/url"
	"strconv"
)

// The words of the commands that are asked for and also sent as events.
var (
	wordsOverview = []string{"CODIS.INFO"}
	wordsSlots    = []string{"CODIS.SLOTS"}
	wordsGroups   = []string{"CODIS.GROUPS"}
	wordsNodes    = []string{"CODIS.NODES"}
	wordsJobs     = []string{"CODIS.JOBS"}
	wordsSettings = []string{"CODIS.CONFIG", "GET", "*"}
	wordsHistory  = []string{"CODIS.HISTORY", strconv.Itoa(defaultHistory)}
)

// defaultHistory is how many changes are listed when no number is given, and
// maxLookup how many keys are looked up at a time.
const (
	defaultHistory = 100
	maxLookup      = 1000
)

// query reads the parameters of a request, and refuses those that are not known.
func query(r *http.Request, known ...string) (url.Values, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest("the query can't be read: %v", err)
	}
	for name := range values {
		found := false
		for _, k := range known {
			found = found || k == name
		}
		if !found {
			return nil, badRequest("there is no parameter %q here", name)
		}
	}
	return values, nil
}

func lookupKeys(_ *API, r *http.Request) (ask, error) {
	values, err := query(r, "key")
	if err != nil {
		return ask{}, err
	}
	keys := values["key"]
	if len(keys) == 0 || len(keys) > maxLookup {
		return ask{}, badRequest("want 1 to %d parameters key, not %d", maxLookup, len(keys))
	}
	return ask{words: append([]string{"CODIS.SLOT"}, keys...)}, nil
}

func showHistory(_ *API, r *http.Request) (ask, error) {
	values, err := query(r, "count")
	if err != nil || !values.Has("count") {
		return ask{words: wordsHistory}, err
	}
	return ask{words: []string{"CODIS.HISTORY", values.Get("count")}}, nil
}

func showJob(_ *API, r *http.Request) (ask, error) {
	return ask{words: []string{"CODIS.JOB", r.PathValue("id")}}, nil
}
