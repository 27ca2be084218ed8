#!/bin/sh
# Builds dist/native/shieldgate-pod from src/runtime/process/native/: a static program, so that no environment of a pod
# chooses its libraries; and dist/native/shieldgate-turn.so, which the proxy loads, from src/proxy/epoll/native/.
# Does nothing when they are newer than every source. Prints what it builds.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
fail() { printf 'build-native: %s\n' "$*" >&2; exit 1; }

# The small tools of pods: links to busybox, found after this machine's own programs.
if [ ! -e "$root/dist/tools" ]; then
	command -v busybox >/dev/null 2>&1 || fail "busybox is missing: apt-get install busybox"
	rm -rf "$root/dist/tools.new" && mkdir -p "$root/dist/tools.new"
	for tool in $(busybox --list); do ln -s /usr/bin/busybox "$root/dist/tools.new/$tool"; done
	mv "$root/dist/tools.new" "$root/dist/tools"
fi

command -v clang >/dev/null 2>&1 || fail "clang is missing: apt-get install clang"
flags='-O2 -Wall -Wextra -Werror -D_GNU_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -s'
mkdir -p "$root/dist/native"

# build NAME SOURCES FLAGS...
build() {
	target="$root/dist/native/$1"
	sources="$root/$2"
	shift 2
	if [ -e "$target" ] && [ -z "$(find "$sources" -name '*.[ch]' -newer "$target" -print)" ] && [ ! "$0" -nt "$target" ]; then
		return 0
	fi
	printf 'build-native: %s\n' "${target#"$root/"}" >&2
	# Written beside and renamed: whoever runs the old one keeps it.
	# shellcheck disable=SC2086
	clang $flags "$@" "$sources"/*.c -o "$target.$$" || fail "clang failed (libc6-dev has the static C library)"
	mv "$target.$$" "$target"
}
build shieldgate-pod src/runtime/process/native -static
build shieldgate-turn.so src/proxy/epoll/native -shared -fPIC
