#!/bin/sh
# What action.yml does: lint and tests as annotations, the comparison with the base as a summary. PATHS, BASE, FAIL_ON and STRICT
# are its inputs. The worst exit code of the commands is its own.
set -uf
shieldgate="$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)/bin/shieldgate"
base=${BASE:-${GITHUB_BASE_REF:+origin/$GITHUB_BASE_REF}}
worst=0
note() { [ "$1" -le "$worst" ] || worst=$1; }

# PATHS is a list: it is meant to be split.
# shellcheck disable=SC2086
set -- ${PATHS:-.}
"$shieldgate" policy lint -o github ${STRICT:+--strict} "$@"
note $?
if [ -n "$(find "$@" -name '*.policytest.y*ml' -not -path '*/node_modules/*' -print)" ]; then
	"$shieldgate" policy test -o github "$@"
	note $?
fi
diff=
if [ -n "$base" ]; then
	diff=${RUNNER_TEMP:-${TMPDIR:-/tmp}}/shieldgate-policy-diff.md
	"$shieldgate" policy diff --base "$base" ${FAIL_ON:+--fail-on "$FAIL_ON"} -o markdown "$@" >"$diff"
	note $?
	[ -z "${GITHUB_STEP_SUMMARY:-}" ] || cat "$diff" >>"$GITHUB_STEP_SUMMARY"
fi
[ -z "${GITHUB_OUTPUT:-}" ] || echo "diff=$diff" >>"$GITHUB_OUTPUT"
exit "$worst"
