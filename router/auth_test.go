package router

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"codis/router/resp"
	"codis/router/resp/resptest"
)

// TestAuth: what the forms of AUTH and HELLO get, and whether the client is in
// after them. A redis-server with the same password must agree where same is set.
func TestAuth(t *testing.T) {
	resptest.Reference(t)
	t.Parallel()
	const (
		wrong  = "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
		noAuth = "-NOAUTH Authentication required.\r\n"
		noPass = "-ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?\r\n"
	)
	tests := []struct {
		name, password, send, want string
		in, same                   bool
	}{
		{"nothing", "secret", "", "", false, true},
		{"AUTH", "secret", "auth\r\n", "-ERR wrong number of arguments for 'auth' command\r\n", false, true},
		{"AUTH password", "secret", "auth secret\r\n", "+OK\r\n", true, true},
		{"AUTH default password", "secret", "auth default secret\r\n", "+OK\r\n", true, true},
		{"AUTH wrong", "secret", "auth Secret\r\n", wrong, false, true},
		{"AUTH empty", "secret", "auth \"\"\r\n", wrong, false, true},
		{"AUTH a longer one", "secret", "auth secretsecret\r\n", wrong, false, true},
		{"AUTH other password", "secret", "auth other secret\r\n", wrong, false, true},
		{"AUTH default wrong", "secret", "auth default x\r\n", wrong, false, true},
		{"AUTH with too much", "secret", "auth a b c\r\n", "-ERR syntax error\r\n", false, true},
		{"AUTH twice", "secret", "auth secret\r\nauth secret\r\n", "+OK\r\n+OK\r\n", true, true},
		{"AUTH wrong, then right", "secret", "auth x\r\nauth secret\r\n", wrong + "+OK\r\n", true, true},
		{"AUTH right, then wrong", "secret", "auth secret\r\nauth x\r\n", "+OK\r\n" + wrong, true, true},
		{"AUTH without a password set", "", "auth x\r\n", noPass, true, true},
		{"AUTH default without a password set", "", "auth default x\r\n", "+OK\r\n", true, true},
		{"AUTH other without a password set", "", "auth other x\r\n", wrong, true, true},
		{"HELLO", "secret", "hello\r\n", noAuthHello, false, false},
		{"HELLO 2", "secret", "hello 2\r\n", noAuthHello, false, false},
		{"HELLO 2 AUTH", "secret", "hello 2 auth default secret\r\n", "hello", true, true},
		{"HELLO 2 AUTH SETNAME", "secret", "hello 2 auth default secret setname me\r\nclient getname\r\n", "hello$2\r\nme\r\n", true, true},
		{"HELLO 2 SETNAME AUTH", "secret", "hello 2 SETNAME me AUTH default secret\r\nclient getname\r\n", "hello$2\r\nme\r\n", true, true},
		{"HELLO 2 AUTH wrong", "secret", "hello 2 auth default x\r\n", wrong, false, true},
		{"HELLO 2 AUTH other", "secret", "hello 2 auth other secret\r\n", wrong, false, true},
		{"HELLO 2 AUTH with too little", "secret", "hello 2 auth default\r\n", "-ERR Syntax error in HELLO option 'auth'\r\n", false, true},
		{"HELLO 2 SETNAME before AUTH", "secret", "hello 2 setname me\r\n", noAuthHello, false, false},
		{"HELLO 2 bad name", "", "hello 2 setname \"a b\"\r\nclient getname\r\n", badNameText + "$-1\r\n", true, true},
		{"HELLO 2 bad option", "", "hello 2 what\r\n", "-ERR Syntax error in HELLO option 'what'\r\n", true, true},
		{"HELLO 3", "", "hello 3\r\n", "-NOPROTO unsupported protocol version\r\n", true, false},
		{"HELLO 3 before AUTH", "secret", "hello 3 auth default secret\r\n", "-NOPROTO unsupported protocol version\r\n", false, false},
		{"HELLO 1", "", "hello 1\r\n", "-NOPROTO unsupported protocol version\r\n", true, true},
		{"HELLO x", "", "hello x\r\n", "-ERR Protocol version is not an integer or out of range\r\n", true, true},
		{"HELLO when in", "", "hello\r\n", "hello", true, true},
		{"RESET", "secret", "auth secret\r\nclient setname me\r\nselect 3\r\nreset\r\n", "+OK\r\n+OK\r\n+OK\r\n+RESET\r\n", false, true},
		{"RESET, AUTH", "secret", "auth secret\r\nclient setname me\r\nselect 3\r\nset k 1\r\nreset\r\nauth secret\r\nclient getname\r\nget k\r\n",
			"+OK\r\n+OK\r\n+OK\r\n+OK\r\n+RESET\r\n+OK\r\n$-1\r\n$-1\r\n", true, true},
		{"RESET before AUTH", "secret", "reset\r\n", "+RESET\r\n", false, true},
		{"RESET without a password set", "", "select 3\r\nreset\r\n", "+OK\r\n+RESET\r\n", true, true},
	}
	routers := map[string]*Router{}
	redis := map[string]string{}
	for password, args := range map[string][]string{"": nil, "secret": {"--requirepass", "secret"}} {
		routers[password], _ = newCluster(t, 1, Config{Password: password})
		redis[password] = resptest.StartRedis(t, args...).Addr
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			last := noAuth
			if tt.in {
				last = "$3\r\nend\r\n"
			}
			ask := func(addr string) string {
				w := dialAddr(t, addr)
				w.send(tt.send + "echo end\r\nquit\r\n")
				got, err := io.ReadAll(w.r)
				if err != nil {
					t.Errorf("%s: %v", addr, err)
				}
				return helloReply.ReplaceAllString(string(got), "hello")
			}
			want := tt.want + last + "+OK\r\n"
			if got := ask(routers[tt.password].Addr()); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if tt.same {
				if got := ask(redis[tt.password]); got != want {
					t.Errorf("redis-server: got %q, want %q", got, want)
				}
			}
		})
	}
}

// noAuthHello is in the words of Redis 7.2; 7.0 leaves out <proto>.
const noAuthHello = "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time\r\n"

var helloReply = regexp.MustCompile(`(?s)\*14\r\n\$6\r\nserver\r\n.*?modules\r\n\*0\r\n`)

// TestNothingBeforeAuth: of all commands only those run before AUTH that Redis
// allows, and the question of a node that joins.
func TestNothingBeforeAuth(t *testing.T) {
	t.Parallel()
	r, servers := newCluster(t, 1, Config{Password: "secret"})
	in := dialWire(t, r)
	in.wantReply("+OK\r\n", "AUTH", "secret")
	in.wantReply("+OK\r\n", "SET", "a", "unharmed")
	reply, _, err := resp.ParseReply([]byte(in.do("COMMAND", "LIST")))
	if err != nil || len(reply.Array) < 200 {
		t.Fatalf("COMMAND LIST: %d names, %v", len(reply.Array), err)
	}
	lines := [][]string{
		{"nosuch"}, {"CLIENT", "NOSUCH"}, {"CLIENT", "LIST"}, {"CLIENT", "SETNAME", "x"}, {"CONFIG", "GET", "*"}, {"CODIS.INFO"}, {"CODIS.NOSUCH"}, {"codis."},
		{"GET", "a"}, {"SET", "a", "harmed"}, {"MGET", "a"}, {"FLUSHALL"}, {"EVAL", "return 1", "0"}, {"PING"}, {"ECHO", "x"}, {"SELECT", "1"}, {""},
	}
	allowed := map[string]bool{"auth": true, "hello": true, "quit": true, "reset": true}
	for _, name := range reply.Array {
		if name := strings.ToLower(name.Text()); !allowed[name] {
			lines = append(lines, []string{name}, []string{name, "a", "b"})
		}
	}
	out := dialWire(t, r)
	for _, words := range lines {
		out.wantReply(noAuthText, words...)
	}
	out.wantReply("*1\r\n$10\r\nCODIS.PEER\r\n", "CODIS.PEER")
	out.wantReply("+RESET\r\n", "RESET")
	out.wantReply("+OK\r\n", "QUIT")
	out.wantClosed()
	in.wantReply("$8\r\nunharmed\r\n", "GET", "a")
	info, err := servers[0].Client(t).Do(t.Context(), "INFO", "commandstats")
	if err != nil || strings.Contains(info.Text(), "cmdstat_flushall") {
		t.Errorf("FLUSHALL came through: %v", err)
	}
}

// TestWrongPasswordWaits: what follows a wrong password in the pipeline waits, other
// clients of the same host do not.
func TestWrongPasswordWaits(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 1, Config{Password: "secret"})
	start := time.Now()
	w := dialWire(t, r)
	w.send("auth 1\r\nauth 2\r\nauth 3\r\nauth secret\r\nping\r\n")
	for range 3 {
		w.wantNext(wrongPassText)
	}
	other := dialWire(t, r)
	other.wantReply("+OK\r\n", "AUTH", "secret")
	other.wantReply("+PONG\r\n", "PING")
	w.wantNext("+OK\r\n")
	w.wantNext("+PONG\r\n")
	// They cost 50, 100 and 200 ms, as package password says.
	if took := time.Since(start); took < 350*time.Millisecond {
		t.Errorf("three wrong passwords took %v, want at least 350ms", took)
	}
}

// TestStrangersCantHoard: a client that waits after a wrong password, or for any
// other reason, can't have the node keep what it sends meanwhile.
func TestStrangersCantHoard(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 1, Config{Password: "secret"})
	var clients []*wire
	for range 4 {
		w := dialWire(t, r)
		w.send("auth 1\r\nauth 2\r\nauth 3\r\nauth 4\r\nauth 5\r\n")
		clients = append(clients, w)
	}
	junk := []byte(strings.Repeat("ping\r\n", 1<<17)) // 768 KB
	for _, w := range clients {
		_ = w.conn.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		for range 40 {
			if _, err := w.conn.Write(junk); err != nil {
				break
			}
		}
	}
	if n := buffered(r); n > 16<<20 {
		t.Errorf("%d bytes are buffered for strangers", n)
	}
}

// TestStrangersMustRead: a client that has not authenticated and does not read the
// refusals is closed long before any limit of others.
func TestStrangersMustRead(t *testing.T) {
	t.Parallel()
	log := new(logRecorder)
	r, _ := newCluster(t, 1, Config{Password: "secret", Logger: slog.New(log)})
	w := dialWire(t, r)
	junk := []byte(strings.Repeat("ping\r\n", 1<<15))
	for closed := false; !closed; {
		_ = w.conn.SetWriteDeadline(time.Now().Add(patience))
		_, err := w.conn.Write(junk) // until the node refuses
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the client is left open")
		}
		closed = err != nil
		if n := buffered(r); n > 4<<20 {
			t.Fatalf("%d bytes are buffered for a stranger", n)
		}
	}
	if n := log.count("has not authenticated"); n != 1 {
		t.Errorf("%d log lines", n)
	}
}

// TestAdminPassword: with a password of its own only the user admin changes the
// cluster; the same user gets in as a client.
func TestAdminPassword(t *testing.T) {
	t.Parallel()
	const wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
	const may, mayNot = "*1\r\n$7\r\nCODIS.X\r\n", "-NOPERM\r\n"
	for _, tt := range []struct{ name, password, admin, send, want string }{
		{"no passwords", "", "", "CODIS.X\r\n", may},
		{"a client's only", "secret", "", "auth secret\r\nCODIS.X\r\n", "+OK\r\n" + may},
		{"no admin to be", "secret", "", "auth admin \"\"\r\n", wrong},
		{"not logged in", "", "boss", "CODIS.X\r\n", mayNot},
		{"as a client", "secret", "boss", "auth secret\r\nCODIS.X\r\n", "+OK\r\n" + mayNot},
		{"as admin", "secret", "boss", "auth admin boss\r\nCODIS.X\r\nping\r\n", "+OK\r\n" + may + "+PONG\r\n"},
		{"as admin, in HELLO", "", "boss", "HELLO 2 AUTH admin boss\r\nCODIS.X\r\n", "hello" + may},
		{"with the client's password", "secret", "boss", "auth admin secret\r\n", wrong},
		{"a client with the admin's", "secret", "boss", "auth boss\r\n", wrong},
		{"admin, then client", "secret", "boss", "auth admin boss\r\nauth secret\r\nCODIS.X\r\n", "+OK\r\n+OK\r\n" + mayNot},
		{"admin, then RESET", "", "boss", "auth admin boss\r\nreset\r\nCODIS.X\r\n", "+OK\r\n+RESET\r\n" + mayNot},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, _ := newCluster(t, 1, Config{Password: tt.password, AdminPassword: tt.admin})
			w := dialAddr(t, r.Addr())
			w.send(tt.send + "quit\r\n")
			got, err := io.ReadAll(w.r)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := helloReply.ReplaceAllString(string(got), "hello"), tt.want+"+OK\r\n"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}
