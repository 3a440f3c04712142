package failover

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"codis/raftstore/topology"
	"codis/router/resp"
)

// functionsTimeout bounds the look at one server's functions, and loading them into
// one.
const functionsTimeout = time.Second

// Functions is what GiveFunctions has found and done, by names of libraries.
type Functions struct {
	// From is the group whose libraries were taken as those of the cluster; 0 when
	// there is no other group.
	From int
	// Loaded were missing. Different are there with another code, Extra are there and
	// not at the other group: both were left alone.
	Loaded, Different, Extra []string
}

// GiveFunctions loads into a group's master the function libraries that the other
// groups have and it has not: clients load them into all groups at once (FUNCTION
// LOAD), which a master that is new has missed. Its replicas get them from it.
func GiveFunctions(ctx context.Context, s *topology.State, group int) (Functions, error) {
	g, ok := s.Groups[group]
	if !ok {
		return Functions{}, fmt.Errorf("there is no group %d", group)
	}
	return giveFunctions(ctx, TargetFor(s, group, g.Master), functionSources(s, group))
}

// functionSource is a group that may tell which functions the cluster has.
type functionSource struct {
	group  int
	master Target
}

// functionSources are the other groups, those that serve slots first: clients have
// reached these.
func functionSources(s *topology.State, group int) []functionSource {
	owns := map[int]bool{}
	for _, slot := range s.Slots {
		owns[slot.Group] = true
	}
	ids := slices.DeleteFunc(slices.Sorted(maps.Keys(s.Groups)), func(id int) bool { return id == group })
	slices.SortStableFunc(ids, func(a, b int) int {
		switch {
		case owns[a] == owns[b]:
			return 0
		case owns[a]:
			return -1
		}
		return 1
	})
	sources := make([]functionSource, len(ids))
	for i, id := range ids {
		sources[i] = functionSource{group: id, master: TargetFor(s, id, s.Groups[id].Master)}
	}
	return sources
}

// giveFunctions asks one source after the other, until one answers.
func giveFunctions(ctx context.Context, to Target, sources []functionSource) (Functions, error) {
	var errs []error
	for _, source := range sources {
		wanted, err := librariesAt(ctx, source.master)
		if err == nil {
			f := Functions{From: source.group}
			return f, f.give(ctx, to, wanted)
		}
		if errs = append(errs, err); ctx.Err() != nil {
			break
		}
	}
	return Functions{}, errors.Join(errs...)
}

// give loads what a server lacks of the libraries that are wanted, and says how they
// compare.
func (f *Functions) give(ctx context.Context, to Target, wanted map[string]string) error {
	ctx, cancel := context.WithTimeout(ctx, functionsTimeout)
	defer cancel()
	c, err := dial(ctx, to)
	if err != nil {
		return err
	}
	defer c.Close()
	there, err := libraries(ctx, c)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(there)) {
		if code, ok := wanted[name]; !ok {
			f.Extra = append(f.Extra, name)
		} else if code != there[name] {
			f.Different = append(f.Different, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if _, ok := there[name]; ok {
			continue
		}
		if _, err := c.Do(ctx, "FUNCTION", "LOAD", wanted[name]); err != nil {
			return fmt.Errorf("load function library %s: %w", name, explain(to.Addr, err))
		}
		f.Loaded = append(f.Loaded, name)
	}
	return nil
}

// String is what a person should know of it, in one line; empty for nothing.
func (f Functions) String() string {
	var parts []string
	add := func(names []string, format string, args ...any) {
		if len(names) > 0 {
			parts = append(parts, strings.Join(names, ", ")+fmt.Sprintf(format, args...))
		}
	}
	add(f.Loaded, " loaded as group %d has them", f.From)
	add(f.Different, " left as they are, with another code than at group %d (FUNCTION LOAD REPLACE sets it everywhere)", f.From)
	add(f.Extra, " left, which group %d has not (FUNCTION LOAD REPLACE loads them everywhere, FUNCTION DELETE removes them)", f.From)
	if len(parts) == 0 {
		return ""
	}
	return "function libraries: " + strings.Join(parts, "; ")
}

func librariesAt(ctx context.Context, t Target) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, functionsTimeout)
	defer cancel()
	c, err := dial(ctx, t)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return libraries(ctx, c)
}

// libraries returns the code of each function library; none for a server that does
// not know FUNCTION, which came with Redis 7.0.
func libraries(ctx context.Context, c *resp.Client) (map[string]string, error) {
	list, err := c.Do(ctx, "FUNCTION", "LIST", "WITHCODE")
	if err != nil {
		if err = explain(c.Addr(), err); errors.Is(err, ErrCommand) {
			return nil, nil
		}
		return nil, err
	}
	code := map[string]string{}
	for _, library := range list.Array {
		fields := map[string]string{}
		for i := 0; i+1 < len(library.Array); i += 2 {
			fields[library.Array[i].Text()] = library.Array[i+1].Text()
		}
		if name := fields["library_name"]; name != "" {
			code[name] = fields["library_code"]
		}
	}
	return code, nil
}
