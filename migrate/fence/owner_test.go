package fence

import "testing"

func TestOwner(t *testing.T) {
	for _, tt := range []struct {
		name string
		want Owner
		ok   bool
	}{
		{Owner{Node: "n1", Token: "ab12"}.Name(), Owner{Node: "n1", Token: "ab12"}, true},
		{"codis:n1", Owner{Node: "n1"}, true},
		{"codis:n1:probe", Owner{Node: "n1:probe"}, true}, // no node: a barrier has no quarrel with probes
		{"codis-tool", Owner{}, false},
		{"", Owner{}, false},
	} {
		if got, ok := ParseOwner(tt.name); ok != tt.ok || ok && got != tt.want {
			t.Errorf("%q: got %+v %v, want %+v %v", tt.name, got, ok, tt.want, tt.ok)
		}
	}
}
