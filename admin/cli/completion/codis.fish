# Completion of codis for fish: codis completion fish | source
function __codis_complete
	set -l words (commandline -opc)
	set -l last (commandline -ct)
	$words[1] __complete $words[2..-1] "$last" 2>/dev/null
end
complete -c codis -a '(__codis_complete)'
