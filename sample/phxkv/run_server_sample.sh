#!/usr/bin/env bash
# Runs one of three servers on this machine, in the foreground; start each in a
# terminal of its own, all from the same directory:
#
#   run_server_sample.sh 0
#   run_server_sample.sh 1
#   run_server_sample.sh 2
#
# The commands are the original's:
#
#   ./phxkv_grpcserver 127.0.0.1:21111 127.0.0.1:11111 127.0.0.1:11111,127.0.0.1:11112,127.0.0.1:11113 ./storage/kvdb_0 ./storage/paxoslog_0
#   ./phxkv_grpcserver 127.0.0.1:21112 127.0.0.1:11112 127.0.0.1:11111,127.0.0.1:11112,127.0.0.1:11113 ./storage/kvdb_1 ./storage/paxoslog_1
#   ./phxkv_grpcserver 127.0.0.1:21113 127.0.0.1:11113 127.0.0.1:11111,127.0.0.1:11112,127.0.0.1:11113 ./storage/kvdb_2 ./storage/paxoslog_2
set -euo pipefail

case ${1-} in
[0-2]) node=$1 ;;
*)
	echo "usage: $0 0|1|2" >&2
	exit 2
	;;
esac
bin=$(cd "$(dirname "$0")/../../bin" 2>/dev/null && pwd) && [ -x "$bin/phxkv_grpcserver" ] || {
	echo "$0: bin/phxkv_grpcserver is not there; run build.sh first" >&2
	exit 1
}
exec "$bin/phxkv_grpcserver" "127.0.0.1:$((21111 + node))" "127.0.0.1:$((11111 + node))" \
	127.0.0.1:11111,127.0.0.1:11112,127.0.0.1:11113 "./storage/kvdb_$node" "./storage/paxoslog_$node"
