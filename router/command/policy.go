package command

// decision is the hand-written part of a row: what the proxy does with the
// command. flags are added to the server's.
type decision struct {
	policy Policy
	join   Join
	local  Local
	flags  Flags
	text   string
	check  checker
}

// decide sets the policy of c and of its sub-commands. A command that has
// keys is routed by them unless something else was decided; one that has none
// must have a decision, and is refused if that was forgotten.
func decide(c *Command) {
	d, found := decisions[c.Name]
	if !found && c.HasKeys() {
		d.policy = PolicyRoute
	}
	c.apply(d)
	served := PolicyRefuse
	for _, sub := range c.Subs {
		own, found := decisions[sub.Name]
		if !found && sub.HasKeys() && c.Text == "" {
			own.policy = PolicyRoute
		} else if !found {
			own = d
		}
		sub.apply(own)
		if sub.Supported() {
			served = max(served, sub.Policy)
		}
	}
	if served == PolicyRefuse {
		return
	}
	// The container's name alone never passes CheckArity, COMMAND excepted:
	// its policy only says that it serves something.
	c.Policy, c.Text = served, ""
	for _, sub := range c.Subs {
		if sub.Name == c.Name+"|help" && !sub.Supported() {
			sub.Policy, sub.Local, sub.Text = PolicyLocal, LocalHelp, ""
		}
	}
}

func (c *Command) apply(d decision) {
	c.Policy, c.Join, c.Local, c.Text = d.policy, d.join, d.local, d.text
	c.Flags |= d.flags
	if d.check != nil {
		c.check = d.check
		c.Flags |= FlagCheck
	}
	if !c.Supported() && c.Text == "" && c.Subs == nil {
		c.Text = "ERR '" + c.Name + "' is not supported by this proxy"
	}
}
