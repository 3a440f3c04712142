package command

import (
	"context"
	"strings"
	"testing"

	"codis/router/resp"
	"codis/router/resp/resptest"
)

// TestKeysAsExecuted runs the requests for which COMMAND GETKEYS is wrong, and
// looks at what the server did: the keys that it wrote must be among those
// that were found. This is why sort.go, geo.go and stream.go exist.
func TestKeysAsExecuted(t *testing.T) {
	client := resptest.StartRedis(t).Client(t)
	ctx := context.Background()
	for _, test := range []struct {
		name, setUp, request string
		written              string // exists afterwards
		untouched            string // does not
		reply                string // or: what the reply shows
	}{
		{name: "the last STORE of SORT", setUp: "RPUSH k 1 2",
			request: "SORT k STORE limit STORE a", written: "a", untouched: "limit"},
		{name: "an option ends at a zero byte", setUp: "RPUSH k 1 2",
			request: "SORT k STORE\x00x d", written: "d"},
		{name: "BY too", setUp: "RPUSH k 1 2",
			request: "SORT k by\x00x nosort STORE d", written: "d"},
		{name: "the last STORE of GEORADIUS", setUp: "GEOADD k 1 2 m",
			request: "GEORADIUS k 1 2 3 km STORE a STORE b", written: "b", untouched: "a"},
		{name: "a consumer called STREAMS", setUp: "XGROUP CREATE a g 0 MKSTREAM;XADD a 1-1 f v",
			request: "XREADGROUP COUNT 1 GROUP g STREAMS STREAMS a >", reply: "bulk:a"},
		{name: "STREAMS and a zero byte", setUp: "XADD a 1-1 f v",
			request: "XREAD STREAMS\x00 a 0", reply: "bulk:a"},
		{name: "PFMERGE without a source", request: "PFMERGE d", written: "d"},
	} {
		setUp := "FLUSHALL"
		if test.setUp != "" {
			setUp += ";" + test.setUp
		}
		for line := range strings.SplitSeq(setUp, ";") {
			if _, err := client.DoBytes(ctx, rawArguments(line)...); err != nil {
				t.Fatalf("%s: %s: %v", test.name, line, err)
			}
		}
		args := rawArguments(test.request)
		got, err := client.DoBytes(ctx, args...)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		keys, err := resolve(t, args).AppendKeys(nil, args)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		found := strings.Join(keyTexts(args, keys), " ")
		if test.written != "" && (!exists(t, client, test.written) || !strings.Contains(found, test.written)) {
			t.Errorf("%s: %s was not written, or is not among the keys %s", test.name, test.written, found)
		}
		if test.untouched != "" && exists(t, client, test.untouched) {
			t.Errorf("%s: %s was written", test.name, test.untouched)
		}
		if !strings.Contains(show(got), test.reply) {
			t.Errorf("%s: reply %s", test.name, show(got))
		}
	}
}

func exists(tb testing.TB, client *resp.Client, key string) bool {
	tb.Helper()
	r, err := client.Do(context.Background(), "EXISTS", key)
	if err != nil {
		tb.Fatal(err)
	}
	return r.Int == 1
}
