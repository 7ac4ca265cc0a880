#!/usr/bin/env bash
# Builds every program of this repository, and the unit tests as a program,
# into bin/. It needs Go and nothing else.
set -euo pipefail
cd "$(dirname "$0")"

fail() {
	echo "build.sh: $*" >&2
	exit 1
}

# Programs that only developers of this repository need; they run with "go run".
developer_tools='/tools/(tidy|licenses)$'

need=$(sed -n 's/^go \([0-9.]*\)$/\1/p' go.mod)
command -v go >/dev/null ||
	fail "Go is not installed, or not in PATH; version $need or later is needed, see https://go.dev/doc/install"
# From 1.21 on, Go fetches the version that go.mod asks for, unless it is told
# not to or has no network. So the question is not what is installed, but what runs.
have=$(go env GOVERSION 2>&1) ||
	fail "Go cannot provide version $need, which go.mod asks for: $have"
oldest=$(printf '%s\n' "$need" "${have#go}" | sort -V | head -n 1)
[ "$oldest" = "$need" ] ||
	fail "Go is ${have#go}, version $need or later is needed, see https://go.dev/doc/install"

mkdir -p bin
programs=$(go list -f '{{if eq .Name "main"}}{{.ImportPath}}{{end}}' ./sample/... ./tools/... | grep -Ev "$developer_tools")
[ -n "$programs" ] || fail "no programs found; is the checkout complete?"
# shellcheck disable=SC2086 # one word for each program
go build -trimpath -o bin/ $programs
for program in $programs; do
	echo "bin/${program##*/}"
done

if compgen -G 'ut/*_test.go' >/dev/null; then
	go test -c -trimpath -o bin/phxpaxos_ut ./ut
	echo bin/phxpaxos_ut
else
	echo "bin/phxpaxos_ut: not built, since ut holds no tests" >&2
fi
