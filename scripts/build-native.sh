#!/bin/sh
# Builds dist/native/shieldgate-pod from src/runtime/process/native/: a static program, so that no environment of a pod
# chooses its libraries. Does nothing when it is newer than every source. Prints what it builds.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
sources="$root/src/runtime/process/native"
program="$root/dist/native/shieldgate-pod"
fail() { printf 'build-native: %s\n' "$*" >&2; exit 1; }

# The small tools of pods: links to busybox, found after this machine's own programs.
if [ ! -e "$root/dist/tools" ]; then
	command -v busybox >/dev/null 2>&1 || fail "busybox is missing: apt-get install busybox"
	rm -rf "$root/dist/tools.new" && mkdir -p "$root/dist/tools.new"
	for tool in $(busybox --list); do ln -s /usr/bin/busybox "$root/dist/tools.new/$tool"; done
	mv "$root/dist/tools.new" "$root/dist/tools"
fi

command -v clang >/dev/null 2>&1 || fail "clang is missing: apt-get install clang"
if [ -e "$program" ] && [ -z "$(find "$sources" -name '*.[ch]' -newer "$program" -print)" ] && [ ! "$0" -nt "$program" ]; then
	exit 0
fi
printf 'build-native: dist/native/shieldgate-pod\n' >&2
mkdir -p "$root/dist/native"
# Written beside and renamed: a running shim keeps its own copy.
clang -O2 -Wall -Wextra -Werror -D_GNU_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -static -s \
	"$sources"/*.c -o "$program.$$" || fail "clang failed (libc6-dev has the static C library)"
mv "$program.$$" "$program"
