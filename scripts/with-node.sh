#!/bin/sh
# Runs a command with Node 24 first on the path: the system's own when it is new enough, else the one that set-up fetched.
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/scripts/node-path.sh"
exec "$@"
