#!/bin/sh
# Builds bpf/build/shieldgate.o from bpf/: vmlinux.h out of the running kernel's BTF, then clang.
# Does nothing when the object is newer than every source. Prints what it builds.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root/bpf"
btf=/sys/kernel/btf/vmlinux
fail() { printf 'build-bpf: %s\n' "$*" >&2; exit 1; }

[ -r "$btf" ] || fail "this kernel has no BTF ($btf): use a distribution kernel 5.10 or newer (Debian 12, Ubuntu 22.04)."
command -v clang >/dev/null 2>&1 || fail "clang is missing: apt-get install clang"
command -v bpftool >/dev/null 2>&1 || fail "bpftool is missing: apt-get install bpftool"
[ -e /usr/include/bpf/bpf_helpers.h ] || fail "libbpf's headers are missing: apt-get install libbpf-dev"

mkdir -p build
object=build/shieldgate.o
if [ -e "$object" ] && [ -z "$(find . -path ./build -prune -o \( -name '*.c' -o -name '*.h' \) -newer "$object" -print)" ] &&
	[ ! "$0" -nt "$object" ]; then
	exit 0
fi
printf 'build-bpf: %s\n' "bpf/$object" >&2
# Written beside and renamed: two builds at once must not read each other's halves.
[ -s build/vmlinux.h ] || { bpftool btf dump file "$btf" format c >build/vmlinux.h.$$ && mv build/vmlinux.h.$$ build/vmlinux.h; } ||
	fail "bpftool could not write vmlinux.h from $btf"
clang -target bpf -O2 -g -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter -Wno-unused-function \
	-Wno-missing-declarations -fno-strict-aliasing -I build -I lib -I . -c shieldgate.c -o "$object.$$" || fail "clang failed"
if command -v llvm-strip >/dev/null 2>&1; then llvm-strip -g "$object.$$"; fi
mv "$object.$$" "$object"
