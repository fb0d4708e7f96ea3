#!/bin/sh
# Makes the server's own role and database, once, when Postgres sets itself up (docker-entrypoint-initdb.d). The role is no superuser and may
# make neither roles nor databases; it owns its database, because it migrates it. The password comes from the environment into psql, and is
# on no command line.
set -eu

psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\getenv password OTESSE_POSTGRES_PASSWORD
SET password_encryption = 'scram-sha-256';
CREATE ROLE otesse LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'password';
CREATE DATABASE otesse OWNER otesse;
REVOKE ALL ON DATABASE otesse FROM PUBLIC;
SQL
