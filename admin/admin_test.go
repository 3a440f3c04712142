package admin

import (
	"strings"
	"testing"
)

func TestConfigValidate(t *testing.T) {
	valid := DefaultConfig()
	valid.Store, valid.Servers = &fakeStore{}, newFakeServers()
	tests := []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"complete", func(*Config) {}, ""},
		{"no store", func(c *Config) { c.Store = nil }, "Store"},
		{"no servers", func(c *Config) { c.Servers = nil }, "Servers"},
		{"no logger", func(c *Config) { c.Logger = nil }, "Logger"},
		{"no timeout", func(c *Config) { c.AttachTimeout = 0 }, "timeouts"},
		{"no limit", func(c *Config) { c.CountLimit = 0 }, "CountLimit"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := valid
			tt.change(&cfg)
			ops, err := New(cfg)
			if tt.want == "" {
				if err != nil || ops == nil {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want a word about %s", err, tt.want)
			}
		})
	}
}
