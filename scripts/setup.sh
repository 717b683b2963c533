#!/bin/sh
# Installs the Debian packages that are missing (and those given), and nothing else; quiet and quick where all are there.
set -eu

packages="g++ cmake ninja-build git
  libcli11-dev libfmt-dev nlohmann-json3-dev libsqlite3-dev libmuparser-dev libxxhash-dev
  libsimdjson-dev zlib1g-dev libzstd-dev libpcre2-dev
  libopenblas-dev libdnnl-dev libgtest-dev libjs-d3 $*"

missing=""
for package in $packages; do
  status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
  [ "$status" = "install ok installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
  echo "setup: missing:$missing. This is no Debian system: install their equivalents and run make build." >&2
  exit 1
fi
as_root=""
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "setup: missing:$missing. Install them as root: apt-get install$missing" >&2
    exit 1
  fi
  as_root="sudo"
fi
echo "setup: installing$missing"
export DEBIAN_FRONTEND=noninteractive
install="$as_root apt-get install -y -q --no-install-recommends"
# shellcheck disable=SC2086
$install $missing >/tmp/assay-setup.$$.log 2>&1 || {
  $as_root apt-get update -q >>/tmp/assay-setup.$$.log 2>&1
  $install $missing >>/tmp/assay-setup.$$.log 2>&1
} || { echo "setup: apt-get failed; its last lines:" >&2; tail -n 15 /tmp/assay-setup.$$.log >&2; exit 1; }
rm -f /tmp/assay-setup.$$.log
