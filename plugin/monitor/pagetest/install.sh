#!/bin/sh
# Installs the browser of these tests where none is found. For Debian and what
# is made of it; needs to be root.
set -eu
for name in chromium chromium-browser google-chrome; do
	if command -v "$name" >/dev/null; then
		exit 0
	fi
done
apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium fonts-dejavu-core
