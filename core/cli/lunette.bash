# lunette.bash - bash completion.  Commands and options are read out of the program's own help, so there is no list to forget.

# The options of a command, or with nothing the commands: what its --help begins lines with.
_lunette_words() { # [COMMAND]
	if [[ $1 ]]; then
		"${_lunette_program:-lunette}" "$1" --help 2>/dev/null | grep -oE '^ +(-[a-z], )?--[a-z-]+|^ +-[a-z], --[a-z-]+' |
			grep -oE -- '--?[a-z][a-z-]*'
	else
		"${_lunette_program:-lunette}" --help 2>/dev/null | grep -oE '^  (--)?[a-z]+(, --[a-z]+)?' | tr -d ,
	fi
}

_lunette() {
	local word=${COMP_WORDS[COMP_CWORD]} command="" _lunette_program=$1
	((COMP_CWORD > 1)) && command=${COMP_WORDS[1]}
	COMPREPLY=()
	if [[ -z $command || $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_lunette_words "$command")" -- "$word")
	fi # else a file, by -o default
}

complete -o default -F _lunette lunette
