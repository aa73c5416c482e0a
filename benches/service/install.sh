#!/usr/bin/env bash
# Makes sure that there is a `wrk`: the one tool of `make bench` that is neither built here nor on every machine.
set -euo pipefail

command -v wrk >/dev/null && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  as_root=(sudo)
fi

if ! { "${as_root[@]}" apt-get update -qq && "${as_root[@]}" apt-get install -y -qq wrk; }; then
  echo "make bench needs wrk, and it could not be installed with apt-get: install it by hand and run make bench again" >&2
  exit 1
fi
