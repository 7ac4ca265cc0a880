#!/usr/bin/env bash
# Makes the directories of the three servers in run_server_sample.sh, below the
# working directory. The servers would make them as well.
set -euo pipefail
mkdir -p log storage/kvdb_{0,1,2} storage/paxoslog_{0,1,2}
