# lib.sh - running one command of the program and saying what must have come of it; sourced by tests.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Runs the program; sets status, said (stdout) and complained (stderr), which are in $folder/out and $folder/err, too.
run() { # COMMAND ARGUMENT...
	status=0
	"$LUNETTE" "$@" >"$folder/out" 2>"$folder/err" || status=$?
	said=$(<"$folder/out")
	complained=$(<"$folder/err")
}

# What the last run did must have been this.
expect() { # STATUS STDOUT STDERR (globs)
	# shellcheck disable=SC2053
	[[ $status -eq $1 && $said == $2 && $complained == $3 ]] && return
	printf 'expected exit %s, stdout %s, stderr %s\ngot %s\n%s\n%s\n' "$@" "$status" "$said" "$complained"
	exit 1
}
