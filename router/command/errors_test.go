package command

import (
	"context"
	"errors"
	"strings"
	"testing"

	"codis/router/resp"
	"codis/router/resp/resptest"
)

// answerOf is what the proxy says of a request before it would forward it:
// the error reply, or nothing.
func answerOf(args [][]byte) string {
	c := Lookup(args[0])
	if c != nil {
		c = c.Resolve(args)
	}
	if c == nil {
		return string(AppendUnknown(nil, args))
	}
	if !c.CheckArity(len(args)) {
		return string(c.AppendArityError(nil))
	}
	if _, err := c.AppendKeys(nil, args); err != nil {
		return string(resp.AppendError(nil, err.Error()))
	}
	return ""
}

// TestErrorsAsServer compares refusals with a real server's, word for word.
func TestErrorsAsServer(t *testing.T) {
	resptest.Reference(t)
	requests := []string{
		// unknown names
		"NOSUCH", "nosuch a b", "NoSuch " + strings.Repeat("x", 200) + " b c",
		strings.Repeat("n", 300) + " a", "x " + strings.Repeat("abcdefg ", 40),
		"GET\r\nX a\r\nb", "GE\x00T a\x00b c", "restore\rasking a b", "sort\x7fro a",
		"CONFIG NOSUCH", "OBJECT " + strings.Repeat("s", 200) + " k", "config g\net",
		"CONFIG|GET x", "XINFO foo", "codis.nosuch",
		// numbers of arguments
		"GET", "get a b", "SET k", "MGET", "CONFIG", "CONFIG GET", "object encoding",
		"XGROUP CREATE k", "COMMAND COUNT x", "EVAL s", "MSET a 1 b", "MSETNX a 1 b", "MSET a",
		"XINFO", "XREAD STREAMS a", "HMSET k",
		// numbers of keys
		"EVAL s x", "EVAL s -1", "EVAL s 2 a", "EVAL s 9223372036854775807 a", "EVAL s 9223372036854775808 a",
		"EVAL s 01 a", "EVAL s +1 a", `EVAL s ""`, "EVAL s -0", "EVAL s -9223372036854775808", "EVAL s 1",
		"EVALSHA SHA x", "EVALSHA SHA -1", "EVALSHA SHA 2 a", "EVAL_RO s x", "EVAL_RO s -3", "EVALSHA_RO SHA 2 a",
		"FCALL f x", "FCALL f -1", "FCALL f 1", "FCALL_RO f x", "FCALL_RO f -1 a", "FCALL_RO f 2 a",
		"ZUNION x a", "ZUNION 0 a", "ZUNION -1 a", "ZUNION 2 a", "ZUNION 4611686018427387904 a",
		"ZINTER 0 a", "ZDIFF 0 a", "ZINTERCARD 0 a", "ZINTERCARD x a", "ZINTERCARD 2 a",
		"ZUNIONSTORE d x a", "ZUNIONSTORE d 0 a", "ZUNIONSTORE d 3 a b", "ZINTERSTORE d 0 a", "ZDIFFSTORE d 0 a",
		"SINTERCARD x a", "SINTERCARD 0 a", "SINTERCARD -5 a", "SINTERCARD 3 a b",
		"LMPOP x a LEFT", "LMPOP 0 a LEFT", "LMPOP 5 a LEFT", "ZMPOP x a MIN", "ZMPOP 0 a MIN", "ZMPOP 7 a MIN",
		"LMPOP 18446744073709551617 a LEFT",
		// no keys to be found
		"XREAD COUNT 1 a", "XREAD a b c", "XREAD COUNT 2 STREAMS",
	}
	client := resptest.StartRedis(t).Client(t)
	// A server looks for the script or function before it looks at numkeys.
	sha, err := client.Do(context.Background(), "SCRIPT", "LOAD", "return 1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Do(context.Background(), "FUNCTION", "LOAD", "#!lua name=l\n"+
		"redis.register_function{function_name='f', callback=function() end, flags={'no-writes'}}"); err != nil {
		t.Fatal(err)
	}
	for _, line := range requests {
		args := rawArguments(strings.Replace(line, "SHA", sha.Text(), 1))
		reply, err := client.DoBytes(context.Background(), args...)
		var want *resp.ServerError
		if !errors.As(err, &want) {
			t.Errorf("%.60q: the server answers %s, %v", line, show(reply), err)
			continue
		}
		if got := answerOf(args); got != "-"+want.Text+"\r\n" {
			t.Errorf("%.60q:\n got %q\nwant %q", line, got, want.Text)
		}
	}
}

// rawArguments splits at spaces only: a request may have line ends inside.
func rawArguments(line string) (args [][]byte) {
	for _, word := range strings.Split(strings.TrimRight(line, " "), " ") {
		if word == `""` {
			word = ""
		}
		args = append(args, []byte(word))
	}
	return args
}

// TestRefusalsSayWhatToDo: every refused command has a text that names it and
// says more than that.
func TestRefusalsSayWhatToDo(t *testing.T) {
	forEach(func(c *Command) {
		if c.Supported() {
			if c.Text != "" {
				t.Errorf("%s is supported and has the text %q", c.Name, c.Text)
			}
			return
		}
		name := strings.ToUpper(strings.ReplaceAll(c.Name, "|", " "))
		container, _, _ := strings.Cut(name, " ")
		if c.Text == noCluster {
			return
		}
		if !strings.HasPrefix(c.Text, "ERR ") || !strings.Contains(c.Text, container) || !strings.Contains(c.Text, ": ") {
			t.Errorf("%s is refused with %q", c.Name, c.Text)
		}
		if got := string(c.AppendText(nil)); got != "-"+c.Text+"\r\n" {
			t.Errorf("%s: reply %q", c.Name, got)
		}
	})
}
