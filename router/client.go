package router

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"codis/router/command"
	"codis/router/resp"
)

const badNameText = "-ERR Client names cannot contain spaces, newlines or special characters.\r\n"

// client answers the sub-commands of CLIENT.
func (s *session) client(cmd *command.Command, args [][]byte) {
	switch cmd.Local {
	case command.LocalClientID:
		s.answer(cmd, resp.AppendInt(nil, s.id))
	case command.LocalClientGetName:
		if s.name == "" {
			s.answer(cmd, resp.AppendNil(nil))
			return
		}
		s.answer(cmd, resp.AppendBulkString(nil, s.name))
	case command.LocalClientSetName:
		if !validName(args[2]) {
			s.answer(cmd, []byte(badNameText))
			return
		}
		s.name = string(args[2])
		s.answer(cmd, []byte(okText))
	case command.LocalClientSetInfo:
		s.answer(cmd, s.setInfo(args[2], args[3]))
	case command.LocalClientInfo:
		s.answer(cmd, resp.AppendBulkString(nil, s.describe()+"\n"))
	case command.LocalClientNoEvict, command.LocalClientNoTouch:
		on := strings.EqualFold(string(args[2]), "ON")
		if !on && !strings.EqualFold(string(args[2]), "OFF") {
			s.answer(cmd, []byte(syntaxText))
			return
		}
		// There is nothing to evict a client for, and touching is the servers' own.
		if cmd.Local == command.LocalClientNoEvict {
			s.noEvict = on
		}
		s.answer(cmd, []byte(okText))
	case command.LocalClientReply:
		s.setReply(cmd, args[2])
	case command.LocalClientList:
		s.clientList(cmd, args)
	case command.LocalClientKill:
		s.clientKill(cmd, args)
	default:
		s.answer(cmd, command.AppendUnknown(nil, args))
	}
}

// validName is Redis's rule: no spaces, no line ends, printable.
func validName(name []byte) bool {
	for _, c := range name {
		if c < '!' || c > '~' {
			return false
		}
	}
	return true
}

func (s *session) setInfo(attribute, value []byte) []byte {
	if !validName(value) {
		return resp.AppendError(nil, fmt.Sprintf("ERR %s cannot contain spaces, newlines or special characters.", strings.ToLower(string(attribute))))
	}
	switch {
	case strings.EqualFold(string(attribute), "LIB-NAME"):
		s.libName = string(value)
	case strings.EqualFold(string(attribute), "LIB-VER"):
		s.libVersion = string(value)
	default:
		return resp.AppendError(nil, fmt.Sprintf("ERR Unrecognized option '%.64s'", attribute))
	}
	return []byte(okText)
}

func (s *session) setReply(cmd *command.Command, mode []byte) {
	switch {
	case strings.EqualFold(string(mode), "ON"):
		s.reply = replyOn
		s.answer(cmd, []byte(okText))
	case strings.EqualFold(string(mode), "OFF"):
		s.reply = replyOff
	case strings.EqualFold(string(mode), "SKIP"):
		if s.reply != replyOff {
			s.reply = replySkipNext
		}
	default:
		s.answer(cmd, []byte(syntaxText))
	}
}

// describe is the session's line in CLIENT LIST, with Redis's field names.
func (s *session) describe() string {
	last := "NULL"
	if s.lastCommand != nil {
		last = s.lastCommand.Name
	}
	flags := "N"
	if s.readFrom == readReplica || s.readFrom == readNearest {
		flags = "r"
	}
	if s.noEvict {
		flags += "e"
	}
	const second = 1e9
	return fmt.Sprintf("id=%d addr=%s laddr=%s fd=%d name=%s age=%d idle=%d flags=%s db=%d sub=0 psub=0 ssub=0 multi=-1 watch=0 "+
		"qbuf=%d qbuf-free=%d obl=%d oll=%d omem=%d tot-mem=%d events=r cmd=%s user=default redir=-1 resp=2 lib-name=%s lib-ver=%s",
		s.id, s.addr, s.localAddr, s.conn.Fd(), s.name, (s.l.now-s.created)/second, (s.l.now-s.active)/second, flags, s.db,
		len(s.in)-s.inPos, cap(s.in)-len(s.in), len(s.out), s.pending, s.unsent, cap(s.in)+cap(s.out)+s.unsent, last, s.libName, s.libVersion)
}

// clientFilter is what CLIENT LIST and CLIENT KILL select by.
type clientFilter struct {
	ids         map[int64]bool
	addr, laddr string
	// none is set when a type or user was named that no client here has.
	none   bool
	skipMe bool
	maxAge int64
}

func (f *clientFilter) matches(s *session, me int64) bool {
	switch {
	case f.ids != nil && !f.ids[s.id],
		f.addr != "" && f.addr != s.addr,
		f.laddr != "" && f.laddr != s.localAddr,
		f.none,
		f.skipMe && s.id == me,
		f.maxAge > 0 && (s.l.now-s.created)/1e9 < f.maxAge:
		return false
	}
	return true
}

// parse reads pairs of CLIENT KILL and LIST; it returns the error for the client.
func (f *clientFilter) parse(args [][]byte) []byte {
	for len(args) > 0 {
		if len(args) < 2 {
			return []byte(syntaxText)
		}
		name, value := strings.ToUpper(string(args[0])), string(args[1])
		args = args[2:]
		switch name {
		case "ID":
			if f.ids == nil {
				f.ids = make(map[int64]bool)
			}
			for {
				id, err := strconv.ParseInt(value, 10, 64)
				if err != nil || id < 1 {
					return []byte("-ERR client-id should be greater than 0\r\n")
				}
				f.ids[id] = true
				if len(args) == 0 || !isNumber(args[0]) {
					break
				}
				value, args = string(args[0]), args[1:]
			}
		case "ADDR":
			f.addr = value
		case "LADDR":
			f.laddr = value
		case "TYPE":
			switch strings.ToLower(value) {
			case "normal": // all are
			case "master", "replica", "slave", "pubsub":
				f.none = true
			default:
				return resp.AppendError(nil, fmt.Sprintf("ERR Unknown client type '%.64s'", value))
			}
		case "USER":
			f.none = f.none || value != "default"
		case "SKIPME":
			f.skipMe = strings.EqualFold(value, "yes")
			if !f.skipMe && !strings.EqualFold(value, "no") {
				return []byte(syntaxText)
			}
		case "MAXAGE":
			age, err := strconv.ParseInt(value, 10, 64)
			if err != nil || age < 1 {
				return []byte(notIntText)
			}
			f.maxAge = age
		default:
			return []byte(syntaxText)
		}
	}
	return nil
}

func isNumber(b []byte) bool {
	return len(b) > 0 && b[0] >= '0' && b[0] <= '9'
}

// clientList lists the clients of this node, over all loops.
func (s *session) clientList(cmd *command.Command, args [][]byte) {
	var filter clientFilter
	if refusal := filter.parse(args[2:]); refusal != nil {
		s.answer(cmd, refusal)
		return
	}
	me, r := s.id, s.l.r
	s.park(cmd.Family, func(ctx context.Context) []byte {
		type line struct {
			id   int64
			text string
		}
		var lines []line
		err := r.eachLoop(ctx, func(l *loop) {
			for _, other := range l.sessions {
				if filter.matches(other, me) {
					lines = append(lines, line{other.id, other.describe()})
				}
			}
		})
		if err != nil {
			return resp.AppendError(nil, "ERR CLIENT LIST: "+err.Error())
		}
		slices.SortFunc(lines, func(a, b line) int { return int(a.id - b.id) })
		var text bytes.Buffer
		for _, line := range lines {
			text.WriteString(line.text)
			text.WriteByte('\n')
		}
		return resp.AppendBulk(nil, text.Bytes())
	})
}

// clientKill closes clients of this node: CLIENT KILL addr, or by filters.
func (s *session) clientKill(cmd *command.Command, args [][]byte) {
	filter := clientFilter{skipMe: true}
	oldForm := len(args) == 3
	if oldForm {
		filter = clientFilter{addr: string(args[2])}
	} else if refusal := filter.parse(args[2:]); refusal != nil {
		s.answer(cmd, refusal)
		return
	}
	me, r := s.id, s.l.r
	s.park(cmd.Family, func(ctx context.Context) []byte {
		killed := 0
		err := r.eachLoop(ctx, func(l *loop) {
			for _, other := range l.sessions {
				switch {
				case !filter.matches(other, me):
				case other.id == me: // it is owed the reply to this
					killed++
					other.close()
				default:
					killed++
					other.abort()
				}
			}
		})
		switch {
		case err != nil:
			return resp.AppendError(nil, "ERR CLIENT KILL: "+err.Error())
		case !oldForm:
			return resp.AppendInt(nil, int64(killed))
		case killed == 0:
			return []byte("-ERR No such client\r\n")
		default:
			return []byte(okText)
		}
	})
}
