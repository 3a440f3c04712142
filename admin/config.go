package admin

import (
	"context"
	"path"
	"strings"

	"codis/raftstore/topology"
)

// hiddenSecret stands for a secret that is set.
const hiddenSecret = "(hidden)"

// ConfigValue is a setting and its value; a secret's value is never given.
type ConfigValue struct{ Name, Value string }

// ConfigValues are settings, by name.
type ConfigValues []ConfigValue

// ConfigGet lists the settings whose names match a glob pattern, by name.
func (o *Ops) ConfigGet(ctx context.Context, pattern string) (ConfigValues, error) {
	pattern = strings.ToLower(pattern)
	settings := o.cfg.Store.State().Settings
	var list ConfigValues
	for _, d := range topology.Definitions() {
		match, err := path.Match(pattern, d.Name)
		if err != nil {
			return nil, badArg("pattern %s is not a glob", quote([]byte(pattern)))
		}
		if !match {
			continue
		}
		value := settings.Text(d.Name)
		if d.Secret && value != "" {
			value = hiddenSecret
		}
		list = append(list, ConfigValue{Name: d.Name, Value: value})
	}
	return list, nil
}

// ConfigSet gives a setting a value, for the whole cluster.
type ConfigSet struct{ Name, Value string }

// ConfigSet changes a setting on every node, at once. It refuses credentials
// that would shut all nodes out of servers which they can use now.
func (o *Ops) ConfigSet(ctx context.Context, who Caller, r ConfigSet) (Done, error) {
	name := strings.ToLower(r.Name)
	if err := topology.CheckSetting(name, r.Value); err != nil {
		return Done{}, err
	}
	if err := o.checkBackendAuth(ctx, name, r.Value); err != nil {
		return Done{}, err
	}
	return Done{}, o.propose(ctx, who, topology.SettingSet{Name: name, Value: r.Value})
}
