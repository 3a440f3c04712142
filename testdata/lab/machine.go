package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// DescribeMachine names what figures were measured on.
func DescribeMachine(ctx context.Context) string {
	model, err := ProcField("/proc/cpuinfo", "model name")
	if err != nil {
		model = "unknown CPU"
	}
	return fmt.Sprintf("%s, %d cores, Linux %s, %s, %s", model, runtime.NumCPU(), Version(ctx, "uname", "-r"), runtime.Version(),
		time.Now().Format(time.DateOnly))
}

// Version is the first line that a program prints of itself.
func Version(ctx context.Context, path string, args ...string) string {
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if err != nil {
		return path + ": " + err.Error()
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line
}

// ProcField returns the value of the first `name : value` line of a /proc file.
func ProcField(path, name string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value), nil
		}
	}
	return "", fmt.Errorf("%s: no field %s", path, name)
}
