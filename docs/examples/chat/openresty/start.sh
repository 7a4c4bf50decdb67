#!/bin/sh
# Starts nginx with the chat in it, in a folder of its own, with the options that the other
# chats have:
#
#   start.sh --node.name lua --listen ws://127.0.0.1:9092/ws --redis.url redis://127.0.0.1
#
# --workers N (2) says how many nodes that is, --http ADDRESS:PORT where it serves requests
# (127.0.0.1:9190). LUA_PATH and LUA_CPATH must find the Lua package, and NGINX names the
# program where it isn't `nginx`.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
PATH=$PATH:/usr/sbin:/sbin
workers=2 http=127.0.0.1:9190 globals=

while [ $# -gt 0 ]; do
  case $1 in
  --*=*) name=${1%%=*} value=${1#*=} ;;
  --*)
    [ $# -gt 1 ] || { echo "chat: $1: a value is missing" >&2; exit 2; }
    name=$1 value=$2
    shift
    ;;
  *) echo "chat: $1: not an option" >&2; exit 2 ;;
  esac
  shift
  case $name in
  --workers) workers=$value ;;
  --http) http=$value ;;
  *)
    variable=FANWIRE_$(printf %s "${name#--}" | tr a-z. A-Z_)
    export "$variable=$value"
    globals="$globals env $variable;"
    ;;
  esac
done

# OpenResty has its modules inside.
for modules in /usr/lib/nginx/modules /usr/lib64/nginx/modules; do
  if [ -e "$modules/ngx_http_lua_module.so" ]; then
    globals="$globals load_module $modules/ndk_http_module.so;"
    globals="$globals load_module $modules/ngx_http_lua_module.so;"
    break
  fi
done
if [ "$(id -u)" = 0 ]; then # its workers must be able to write into the folder
  globals="$globals user root;"
fi

folder=$(mktemp -d "${TMPDIR:-/tmp}/fanwire-chat.XXXXXX")
mkdir "$folder/tmp" "$folder/logs"
sed -e "s/^worker_processes .*/worker_processes $workers;/" \
  -e "s/listen 127.0.0.1:9190;/listen $http;/" "$here/nginx.conf" >"$folder/nginx.conf"
export LUA_PATH="$here/../?.lua;${LUA_PATH:-;;}"
# shellcheck disable=SC2086 # it may be a command with arguments
exec ${NGINX:-nginx} -p "$folder/" -c nginx.conf -e stderr -g "$globals"
