package cli

import (
	"fmt"
	"strconv"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"codis/router/resp"
)

func infoCommand() *ucli.Command {
	return verb{
		name: "info", usage: "show the cluster's health, leader and warnings", max: 0, watch: true,
		about:    "It is what the node that answers sees. The exit code is 0 whatever the health is.",
		examples: []string{"codis info", "codis info --json"},
		run:      runInfo,
	}.command()
}

// section is a part of INFO: a title, and lines of name and value in order.
type section struct {
	title string
	lines [][2]string
}

func runInfo(s *session) error {
	reply, err := s.read("CODIS.INFO")
	if err != nil {
		return err
	}
	if reply.Kind != resp.KindBulk {
		return errReply(reply.Kind.String() + " for a text")
	}
	sections := parseSections(reply.Text())
	if len(sections) == 0 {
		return errReply("no sections")
	}
	if s.json {
		return s.printJSON(infoJSON(sections))
	}
	return s.printInfo(sections)
}

// parseSections reads the text of CODIS.INFO. There titles and names have a
// prefix that sets them off from those of Redis; here they need none.
func parseSections(text string) []section {
	var list []section
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if title, ok := strings.CutPrefix(line, "# "); ok {
			list = append(list, section{title: strings.TrimPrefix(title, "Codis_")})
			continue
		}
		if name, value, ok := strings.Cut(line, ":"); ok && len(list) > 0 {
			last := &list[len(list)-1]
			last.lines = append(last.lines, [2]string{strings.TrimPrefix(name, "codis_"), value})
		}
	}
	return list
}

// printInfo writes the sections for people, warnings first: they are why one looks.
func (s *session) printInfo(sections []section) error {
	var rest [][]string
	for _, sec := range sections {
		for _, line := range sec.lines {
			name, value := line[0], line[1]
			if strings.HasPrefix(name, "warning_") {
				w := parseWarning(value)
				if _, err := fmt.Fprintf(s.out, "%s: %s\n", s.screen.paint(w.Level), w.Text); err != nil {
					return err
				}
				continue
			}
			rest = append(rest, []string{sec.title, name, value})
		}
	}
	return s.printRows(rest, false)
}

// warning is one warning of CODIS.INFO.
type warning struct {
	Level string `json:"level"`
	Code  string `json:"code"`
	Text  string `json:"text"`
}

// parseWarning reads "level code text".
func parseWarning(value string) warning {
	level, rest, _ := strings.Cut(value, " ")
	code, text, _ := strings.Cut(rest, " ")
	return warning{Level: level, Code: code, Text: text}
}

// infoGroup is one group of CODIS.INFO.
type infoGroup struct {
	ID       int64  `json:"id"`
	Master   string `json:"master"`
	Replicas int64  `json:"replicas"`
	Slots    int64  `json:"slots"`
	Epoch    int64  `json:"epoch"`
}

// infoJSON turns the sections into objects by title; numbered lines become lists.
func infoJSON(sections []section) map[string]any {
	out := map[string]any{}
	for _, sec := range sections {
		object := map[string]any{}
		warnings, groups, jobs := []warning{}, []infoGroup{}, []infoJob{}
		for _, line := range sec.lines {
			name, value := line[0], line[1]
			switch {
			case strings.HasPrefix(name, "warning_"):
				warnings = append(warnings, parseWarning(value))
			case strings.HasPrefix(name, "group_"):
				groups = append(groups, parseInfoGroup(name, value))
			case strings.HasPrefix(name, "job_"):
				jobs = append(jobs, parseInfoJob(name, value))
			default:
				object[name] = typed(name, value)
			}
		}
		switch sec.title {
		case "cluster":
			object["warnings"] = warnings
		case "groups":
			object["groups"] = groups
		case "jobs":
			object["jobs"] = jobs
		}
		out[sec.title] = object
	}
	return out
}

// parseInfoGroup reads group_1 and "master=..,replicas=..".
func parseInfoGroup(name, value string) infoGroup {
	f := pairsOf(value)
	return infoGroup{ID: integer(strings.TrimPrefix(name, "group_")), Master: f["master"],
		Replicas: integer(f["replicas"]), Slots: integer(f["slots"]), Epoch: integer(f["epoch"])}
}

// infoJob is one unfinished job of CODIS.INFO.
type infoJob struct {
	ID         int64  `json:"id"`
	Kind       string `json:"kind"`
	State      string `json:"state"`
	SlotsDone  int64  `json:"slots_done"`
	SlotsTotal int64  `json:"slots_total"`
	Keys       int64  `json:"keys"`
}

// parseInfoJob reads job_1 and "kind=..,state=..".
func parseInfoJob(name, value string) infoJob {
	f := pairsOf(value)
	return infoJob{ID: integer(strings.TrimPrefix(name, "job_")), Kind: f["kind"], State: f["state"],
		SlotsDone: integer(f["slots_done"]), SlotsTotal: integer(f["slots_total"]), Keys: integer(f["keys"])}
}

// pairsOf reads "a=1,b=2".
func pairsOf(value string) map[string]string {
	f := map[string]string{}
	for part := range strings.SplitSeq(value, ",") {
		k, v, _ := strings.Cut(part, "=")
		f[k] = v
	}
	return f
}

// integer reads a number that this version's own nodes wrote.
func integer(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

// typed gives a value of CODIS.INFO the JSON type that its name promises: an ID
// stays a text, though it may look like a number.
func typed(name, value string) any {
	switch name {
	case "epoch", "term", "commit_index", "applied_index", "last_contact_ms", "slots_total", "slots_assigned", "slots_unassigned", "lease_left_ms":
		return integer(value)
	case "joined":
		return value == "yes"
	case "voters", "nonvoters":
		if value == "" {
			return []string{}
		}
		return strings.Split(value, ",")
	}
	return value
}
