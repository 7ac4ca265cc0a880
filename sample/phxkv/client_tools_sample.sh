#!/usr/bin/env bash
# Asks each of the three servers of run_server_sample.sh: the original's
# commands.
set -euo pipefail

bin=$(cd "$(dirname "$0")/../../bin" 2>/dev/null && pwd) && [ -x "$bin/phxkv_client_tools" ] || {
	echo "$0: bin/phxkv_client_tools is not there; run build.sh first" >&2
	exit 1
}
for port in 21112 21111 21113; do
	"$bin/phxkv_client_tools" "127.0.0.1:$port" put key_hello value_paxos 0
	"$bin/phxkv_client_tools" "127.0.0.1:$port" getlocal key_hello
	"$bin/phxkv_client_tools" "127.0.0.1:$port" getglobal key_hello
	"$bin/phxkv_client_tools" "127.0.0.1:$port" delete key_hello 0
done
