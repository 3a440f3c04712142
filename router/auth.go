package router

import (
	"context"
	"time"

	"codis/router/command"
	"codis/router/password"
)

const (
	wrongPassText = "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
	noPassText    = "-ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?\r\n"
)

// adminUser is the user who may change the cluster when it has a password of its own.
const adminUser = "admin"

// auth answers AUTH [user] password. The users are "default" and, with a password
// of its own, adminUser.
func (s *session) auth(cmd *command.Command, args [][]byte) {
	user, given := "default", args[1]
	switch len(args) {
	case 2:
		if s.l.r.cfg.Password == "" {
			s.answer(cmd, []byte(noPassText))
			return
		}
	case 3:
		user, given = string(args[1]), args[2]
	default:
		s.answer(cmd, []byte(syntaxText))
		return
	}
	if refusal := s.checkPassword(user, given); refusal != nil {
		s.answer(cmd, refusal)
		s.delay()
		return
	}
	s.answer(cmd, []byte(okText))
}

// checkPassword authenticates the session, or returns the refusal. It takes the
// same time whatever the password is.
func (s *session) checkPassword(user string, given []byte) (refusal []byte) {
	want, free := s.l.r.cfg.Password, s.l.r.cfg.Password == ""
	if user == adminUser {
		want, free = s.l.r.cfg.AdminPassword, false
	}
	same := password.Equal(given, want)
	if user != "default" && (user != adminUser || want == "") || !free && !same {
		return []byte(wrongPassText)
	}
	s.setAuthed(true)
	s.operator = user == adminUser
	return nil
}

// mayChange says whether the session may change the cluster.
func (s *session) mayChange() bool { return s.operator || s.l.r.cfg.AdminPassword == "" }

// delay makes the session wait after a wrong password, longer each time that its
// host gives one.
func (s *session) delay() {
	wait := s.l.r.failures.Next(s.addr, time.Now())
	s.pause |= pauseDelay
	s.l.r.spawn(func(ctx context.Context) {
		select {
		case <-ctx.Done():
		case <-time.After(wait):
			s.l.post(func() { s.unpause(pauseDelay) })
		}
	})
}
