#!/usr/bin/env bash
# Everything that must hold before a change lands: format, lint, dead code, types, and all tests on real servers. Called by `npm test`.
# The last line of a green run is the count alone: "<n> passed, <n> failed". With CI=true a test that did not run is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

test/install-packages.sh
npm run -s format:check
npm run -s lint
npm run -s unused
npm run -s typecheck

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Jest waits for whatever a test left open: a leak has to be a failure, and not a run without an end.
status=0
timeout --foreground --kill-after=30 "${OTESSE_TEST_TIMEOUT:-60m}" \
  npm run -s jest -- --json --outputFile="$scratch/result.json" "$@" 2>&1 | tee "$scratch/log" || status=$?

problems=()
[ "$status" -eq 0 ] || problems+=('Jest reported a failure (above).')
[ "$status" -ne 124 ] || problems+=('It took too long, or something that a test left open kept Jest from ending.')
# What a test file leaves open fails that file (support/tidy-environment.ts); these two come from outside of any file.
if grep -qE 'did not exit one second after|Cannot log after tests are done' "$scratch/log"; then
  problems+=('A test left a server, a connection or a timer open (Jest says so above).')
fi
counts=$(node test/support/print-counts.ts "$scratch/result.json") || problems+=('Not every test passed.')

echo "$counts"
[ ${#problems[@]} -eq 0 ] || { printf 'FAILED: %s\n' "${problems[@]}"; exit 1; }
