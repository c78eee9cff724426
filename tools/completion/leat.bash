# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Completion of leat(8). It knows no object, command or name: all of them come from the tool, whose
# `help` lists the syntax as JSON and whose `list` reads the running daemon.

_leat_help() # [OBJECT]: one {...} a line
{
	command leat -j "$@" help 2>/dev/null | sed 's/},{/},\n{/g; s/"options":/\n"options":/'
}

_leat_names() # from _leat_help's lines
{
	sed -n 's/.*"name":"\([^"]*\)".*/\1/p'
}

_leat_options()
{
	command leat -j help 2>/dev/null | grep -o '"--[a-z]*"' | tr -d '"'
}

_leat_arguments() # OBJECT COMMAND: its syntax, without brackets
{
	_leat_help "$1" | grep -F "\"name\":\"$2\"" | sed 's/.*"arguments":"\([^"]*\)".*/\1/' | tr -d '[]'
}

_leat_list() # OBJECT [OPTION...]: first word of each line
{
	command leat "${@:2}" "$1" list 2>/dev/null | awk '{ print $1 }' | sort -u
}

_leat_versions() # [OPTION...]: of the configuration, the newest first
{
	command leat "$@" config history 2>/dev/null | awk '$1 ~ /^[0-9]+-/ { print $1 }'
}

# What a word of the syntax that stands for a value can be.
_leat_values() # WORD CURRENT [OPTION...]
{
	case $1 in
	SERVICE) compgen -W "$(_leat_list service "${@:3}")" -- "$2" ;;
	BACKEND) compgen -W "$(_leat_list backend "${@:3}")" -- "$2" ;;
	VERSION) compgen -W "$(_leat_versions "${@:3}")" -- "$2" ;;
	DEV) compgen -W "$(command ls /sys/class/net 2>/dev/null)" -- "$2" ;;
	FILE | *.pcap) compgen -f -- "$2" ;;
	*'|'*) compgen -W "${1//|/ }" -- "$2" ;;
	esac
}

# What may follow WORD...: the value that the last of them asks for, or else keywords that are not
# there yet and, in the first place, the command's own value.
_leat_next() # SYNTAX CURRENT [WORD...]; uses the caller's `options`
{
	local -a syntax given=("${@:3}")
	local last=${given[*]: -1} word before=
	read -ra syntax <<<"$1"

	for word in "${syntax[@]}"; do
		if [[ -n $last && $before == "$last" && $word == *[A-Z\|]* ]]; then
			_leat_values "$word" "$2" "${options[@]}"
			return
		fi
		before=$word
	done
	for word in "${syntax[@]}"; do
		if [[ $word != *[A-Z\|]* ]]; then
			[[ " ${given[*]} " == *" $word "* ]] || compgen -W "$word" -- "$2"
		elif [[ $word == "${syntax[0]}" && ${#given[@]} == 0 ]]; then
			_leat_values "$word" "$2" "${options[@]}"
		fi
	done
}

_leat()
{
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local -a words=() options=()
	local i own

	own=" $(_leat_options | tr '\n' ' ')"
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-s | --socket) options=(-s "${COMP_WORDS[++i]}") ;;
		--?*) [[ $own == *" ${COMP_WORDS[i]} "* ]] || words+=("${COMP_WORDS[i]}") ;;
		-*) ;;
		*) words+=("${COMP_WORDS[i]}") ;;
		esac
	done

	if [[ $previous == -s || $previous == --socket ]]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
	elif [[ $current == -* ]]; then
		mapfile -t COMPREPLY < <(
			compgen -W "$own" -- "$current"
			((${#words[@]} < 2)) || _leat_next "$(_leat_arguments "${words[@]:0:2}")" \
				"$current" "${words[@]:2}"
		)
	elif ((${#words[@]} < 2)); then
		mapfile -t COMPREPLY < <(compgen -W "$(_leat_help "${words[@]}" | _leat_names)" -- "$current")
	else
		mapfile -t COMPREPLY < <(_leat_next "$(_leat_arguments "${words[@]:0:2}")" \
			"$current" "${words[@]:2}")
	fi
}

complete -o filenames -o bashdefault -F _leat leat
