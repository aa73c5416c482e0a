#!/usr/bin/env bash
# Makes sure that there is Chromium, which the browser tests drive.
set -euo pipefail

[ -x /usr/bin/chromium ] && exit 0

if ! { apt-get update -qq && apt-get install -y -qq chromium; }; then
  echo "make test needs Chromium as /usr/bin/chromium, and it could not be installed with apt-get: install it by hand (Debian: apt install chromium) and run it again" >&2
  exit 1
fi
