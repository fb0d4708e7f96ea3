#!/bin/sh
# Starts Redis with one user, whose password is in OTESSE_REDIS_PASSWORD and never on a command line. Arguments go on to redis-server.
# The user may do what the server and `otesse doctor` need: no key can be listed or flushed, no setting changed, no script debugged.
set -eu

state=${REDIS_STATE:-/run/redis}
here=$(dirname "$0")

umask 077
hash=$(printf %s "${OTESSE_REDIS_PASSWORD:?is missing, see compose.yaml}" | sha256sum | cut -d ' ' -f 1)
{
  echo 'user default off'
  echo "user otesse on #$hash ~* &* +@all -@admin -@dangerous +info +config|get"
} >"$state/users.acl"
unset OTESSE_REDIS_PASSWORD hash
exec redis-server "$here/redis.conf" --aclfile "$state/users.acl" --dir "${REDIS_DATA:-/data}" "$@"
