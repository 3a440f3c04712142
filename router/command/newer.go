package command

// newer are commands that servers newer than the generated table have.
var newer = []row{}

// newerSubs are such sub-commands.
var newerSubs = []row{}
