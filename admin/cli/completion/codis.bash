# Completion of codis for bash: source <(codis completion bash)
_codis() {
	# Not COMP_WORDS: bash divides those at the colons of addresses, too.
	local line="${COMP_LINE:0:COMP_POINT}" words IFS
	read -ra words <<<"$line"
	[[ "$line" == *[[:space:]] ]] && words+=("")
	IFS=$'\n'
	COMPREPLY=($("${words[0]}" __complete "${words[@]:1}" 2>/dev/null | cut -f1))
}
complete -o default -F _codis codis
