#!/bin/sh
# Generates the Go code of every .proto file. With -check it writes nothing and
# fails if generated code is out of date.
set -eu
cd "$(dirname "$0")"
exec go run . "$@"
