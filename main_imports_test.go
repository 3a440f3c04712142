package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestImportArrows holds the layout: the four parts import only each other's
// leaves, and the leaves import none of them.
func TestImportArrows(t *testing.T) {
	leaves := []string{"codis/raftstore/topology", "codis/router/resp", "codis/router/command", "codis/router/password", "codis/migrate/fence"}
	helpers := []string{"codis/router/resp/resptest"} // for tests only
	part := func(path string) string {
		return strings.SplitN(strings.TrimPrefix(path, "codis/"), "/", 2)[0]
	}
	for _, p := range listPackages(t) {
		for _, imported := range p.Imports {
			if imported != "codis" && !strings.HasPrefix(imported, "codis/") {
				continue
			}
			switch {
			case slices.Contains(helpers, imported):
				t.Errorf("%s imports %s outside tests", p.ImportPath, imported)
			case p.ImportPath == "codis" || slices.Contains(helpers, p.ImportPath):
			case slices.Contains(leaves, p.ImportPath) && !slices.Contains(leaves, imported):
				t.Errorf("the leaf %s imports %s", p.ImportPath, imported)
			case part(p.ImportPath) != part(imported) && !slices.Contains(leaves, imported):
				t.Errorf("%s imports %s: only leaves may be imported across parts", p.ImportPath, imported)
			}
		}
		for _, imported := range p.Imports {
			raft := strings.HasPrefix(imported, "github.com/hashicorp/raft")
			if raft && part(p.ImportPath) != "raftstore" {
				t.Errorf("%s imports %s: only raftstore may", p.ImportPath, imported)
			}
		}
	}
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "./...")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var list []goPackage
	for decoder := json.NewDecoder(bufio.NewReader(out)); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	if err := cmd.Wait(); err != nil || len(list) == 0 {
		t.Fatalf("go list: %d packages, %v", len(list), err)
	}
	return list
}
