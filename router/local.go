package router

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"codis/raftstore/topology"
	"codis/router/command"
	"codis/router/resp"
)

// maxDatabases is how many databases SELECT takes, as Redis has by default.
const maxDatabases = 16

const (
	okText      = "+OK\r\n"
	pongText    = "+PONG\r\n"
	resetText   = "+RESET\r\n"
	syntaxText  = "-ERR syntax error\r\n"
	dbRangeText = "-ERR DB index is out of range\r\n"
	notIntText  = "-ERR value is not an integer or out of range\r\n"
	badSlotText = "-ERR invalid slot number, it is from 0 to 1023\r\n"
)

// local answers what the proxy knows by itself. Short answers are given at once;
// what asks other loops or servers runs on a goroutine, see park.
func (s *session) local(cmd *command.Command, args [][]byte) (taken bool) {
	switch cmd.Local {
	case command.LocalSlotsInfo, command.LocalSlotsScan: // they walk the keys of masters
		if free, answered := s.onTurn(cmd); !free {
			return answered
		}
	}
	switch cmd.Local {
	case command.LocalPing:
		switch {
		case s.l.r.draining.Load():
			s.answer(cmd, []byte(drainingText))
		case len(args) == 1:
			s.answer(cmd, []byte(pongText))
		case len(args) == 2:
			s.answer(cmd, resp.AppendBulk(nil, args[1]))
		default: // the table says at least one, for the sake of subscribers
			s.answer(cmd, cmd.AppendArityError(nil))
		}
	case command.LocalEcho:
		s.answer(cmd, resp.AppendBulk(nil, args[1]))
	case command.LocalSelect:
		s.answer(cmd, s.selectDB(args[1]))
	case command.LocalAuth:
		s.auth(cmd, args)
	case command.LocalHello:
		s.hello(cmd, args)
	case command.LocalQuit:
		s.answer(cmd, []byte(okText))
		s.close()
	case command.LocalReset:
		s.reset()
		s.answer(cmd, []byte(resetText))
	case command.LocalTime:
		now := time.Now()
		b := resp.AppendArray(nil, 2)
		b = resp.AppendBulkString(b, strconv.FormatInt(now.Unix(), 10))
		s.answer(cmd, resp.AppendBulkString(b, strconv.Itoa(now.Nanosecond()/1000)))
	case command.LocalReadonly:
		s.readFrom = readReplica
		if s.l.table.readFrom == readNearest {
			s.readFrom = readNearest
		}
		s.answer(cmd, []byte(okText))
	case command.LocalReadwrite:
		s.readFrom = readMaster
		s.answer(cmd, []byte(okText))
	case command.LocalCommand:
		s.answer(cmd, command.AppendCommandReply(nil, args))
	case command.LocalHelp:
		s.answer(cmd, command.AppendHelp(nil, cmd))
	case command.LocalRole:
		b := resp.AppendArray(nil, 3)
		b = resp.AppendBulkString(b, "master")
		b = resp.AppendInt(b, 0)
		s.answer(cmd, resp.AppendArray(b, 0))
	case command.LocalInfo:
		s.info(cmd, args)
	case command.LocalConfigGet:
		s.answer(cmd, s.l.r.configGet(args[2:]))
	case command.LocalSlotsHashKey:
		b := resp.AppendArray(nil, len(args)-1)
		for _, key := range args[1:] {
			b = resp.AppendInt(b, int64(topology.SlotOf(key)))
		}
		s.answer(cmd, b)
	case command.LocalSlotsInfo:
		s.slotsInfo(cmd, args)
	case command.LocalSlotsScan:
		s.slotsScan(cmd, args)
	case command.LocalSlowLogGet, command.LocalSlowLogLen, command.LocalSlowLogReset:
		s.slowLogCommand(cmd, args)
	default:
		s.client(cmd, args)
	}
	return true
}

func (s *session) selectDB(arg []byte) []byte {
	db, err := strconv.Atoi(string(arg))
	switch {
	case err != nil:
		return []byte(notIntText)
	case db < 0 || db >= maxDatabases:
		return []byte(dbRangeText)
	}
	s.db = db
	return []byte(okText)
}

// reset does what RESET does: the connection is as new, and has to authenticate
// again when there is a password.
func (s *session) reset() {
	s.db = 0
	s.name = ""
	s.readFrom = readDefault
	s.reply = replyOn
	s.noEvict = false
	s.setAuthed(s.l.r.cfg.Password == "")
	s.operator = false
}

// hello answers HELLO [2 [AUTH user password] [SETNAME name]].
func (s *session) hello(cmd *command.Command, args [][]byte) {
	rest := args[1:]
	if len(rest) > 0 {
		version, err := strconv.Atoi(string(rest[0]))
		switch {
		case err != nil:
			s.answer(cmd, []byte("-ERR Protocol version is not an integer or out of range\r\n"))
			return
		case version != 2: // clients fall back to RESP2 on this code word
			s.answer(cmd, []byte("-NOPROTO unsupported protocol version\r\n"))
			return
		}
		rest = rest[1:]
	}
	name := s.name
	for len(rest) > 0 {
		switch option := string(rest[0]); {
		case strings.EqualFold(option, "AUTH") && len(rest) >= 3:
			if refusal := s.checkPassword(string(rest[1]), rest[2]); refusal != nil {
				s.answer(cmd, refusal)
				s.delay()
				return
			}
			rest = rest[3:]
		case strings.EqualFold(option, "SETNAME") && len(rest) >= 2:
			if !validName(rest[1]) {
				s.answer(cmd, []byte(badNameText))
				return
			}
			name = string(rest[1])
			rest = rest[2:]
		default:
			s.answer(cmd, resp.AppendError(nil, fmt.Sprintf("ERR Syntax error in HELLO option '%.64s'", option)))
			return
		}
	}
	if !s.authed {
		s.answer(cmd, []byte("-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time\r\n"))
		return
	}
	s.name = name
	b := resp.AppendArray(nil, 14)
	b = resp.AppendBulkString(b, "server")
	b = resp.AppendBulkString(b, "redis")
	b = resp.AppendBulkString(b, "version")
	b = resp.AppendBulkString(b, s.l.r.redisVersion())
	b = resp.AppendBulkString(b, "proto")
	b = resp.AppendInt(b, 2)
	b = resp.AppendBulkString(b, "id")
	b = resp.AppendInt(b, s.id)
	b = resp.AppendBulkString(b, "mode")
	b = resp.AppendBulkString(b, "standalone")
	b = resp.AppendBulkString(b, "role")
	b = resp.AppendBulkString(b, "master")
	b = resp.AppendBulkString(b, "modules")
	s.answer(cmd, resp.AppendArray(b, 0))
}
