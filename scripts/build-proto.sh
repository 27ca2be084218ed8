#!/bin/sh
# Generates proto/gen (JavaScript and types of every wire message) when a .proto file is newer than it.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/scripts/node-path.sh"
cd "$root/proto"
stamp=gen/.built
if [ -f "$stamp" ] && [ -z "$(find . -maxdepth 1 -type f \( -name '*.proto' -o -name 'buf*.yaml' \) -newer "$stamp" -print -quit)" ]; then
	exit 0
fi
PATH="$root/node_modules/.bin:$PATH" buf generate
: >"$stamp"
echo "proto: generated proto/gen" >&2
