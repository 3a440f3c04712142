#compdef codis
# Completion of codis for zsh: source <(codis completion zsh)
_codis() {
	local line
	local -a candidates
	for line in "${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
		[[ -n "$line" ]] && candidates+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
	done
	if (( $#candidates )); then
		_describe codis candidates
	else
		_files
	fi
}
compdef _codis codis
