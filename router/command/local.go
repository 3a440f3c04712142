package command

// Local names the commands that the proxy answers itself, one value per
// command or sub-command.
type Local uint8

const (
	LocalNone Local = iota
	// LocalHelp is the HELP of a container: AppendHelp answers it.
	LocalHelp
	// LocalCommand is COMMAND with all its sub-commands: AppendCommandReply.
	LocalCommand
	LocalPing
	LocalEcho
	LocalQuit
	LocalTime
	LocalReset
	LocalInfo
	// LocalRole answers as a master without replicas: the proxy takes writes,
	// and the roles of the servers behind it are CODIS.GROUPS's business.
	LocalRole
	LocalSelect
	LocalAuth
	LocalHello
	LocalReadonly
	LocalReadwrite
	LocalConfigGet
	LocalClientID
	LocalClientGetName
	LocalClientSetName
	LocalClientSetInfo
	LocalClientInfo
	LocalClientList
	LocalClientKill
	LocalClientReply
	LocalClientNoEvict
	LocalClientNoTouch
	LocalSlowLogGet
	LocalSlowLogLen
	LocalSlowLogReset
	// Codis's own commands, which no server's table has.
	LocalSlotsHashKey
	LocalSlotsInfo
	LocalSlotsScan

	numLocals = int(LocalSlotsScan) + 1
)

var localNames = [numLocals]string{
	"-", "help", "command", "ping", "echo", "quit", "time", "reset", "info", "role",
	"select", "auth", "hello", "readonly", "readwrite", "config-get",
	"client-id", "client-getname", "client-setname", "client-setinfo", "client-info",
	"client-list", "client-kill", "client-reply", "client-no-evict", "client-no-touch",
	"slowlog-get", "slowlog-len", "slowlog-reset",
	"slotshashkey", "slotsinfo", "slotsscan",
}

func (l Local) String() string { return nameOf(localNames[:], int(l)) }
