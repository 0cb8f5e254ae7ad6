#!/usr/bin/env bash
# The database roles, made once, when the cluster is: PostgreSQL's entry point runs this as the owner before anyone
# else connects. pgSTAC's migrations expect or make the group roles pgstac_read and pgstac_ingest; making them here
# lets the login roles be members from the start.
#   sen2extract_reader  the services: reads the catalogue and our own tables
#   sen2extract_writer  ingestion: writes items, and our own tables
#   airflow             owns Airflow's own database and sees nothing else
set -euo pipefail

: "${READER_PASSWORD:?}" "${WRITER_PASSWORD:?}" "${AIRFLOW_DB_PASSWORD:?}"

psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 \
  --username="${POSTGRES_USER:?}" --dbname="${POSTGRES_DB:?}" \
  --set=database="${POSTGRES_DB}" <<'SQL'
-- Read here rather than given as arguments, which any process list would show.
\getenv reader_password READER_PASSWORD
\getenv writer_password WRITER_PASSWORD
\getenv airflow_password AIRFLOW_DB_PASSWORD

CREATE ROLE pgstac_read;
CREATE ROLE pgstac_ingest;
CREATE ROLE sen2extract_reader LOGIN PASSWORD :'reader_password' IN ROLE pgstac_read;
CREATE ROLE sen2extract_writer LOGIN PASSWORD :'writer_password' IN ROLE pgstac_ingest;
CREATE ROLE airflow LOGIN PASSWORD :'airflow_password';
CREATE DATABASE airflow OWNER airflow;

REVOKE CONNECT ON DATABASE airflow FROM PUBLIC;
-- CONNECT only: pgSTAC's own role pgstac_admin makes temporary tables while it migrates.
REVOKE CONNECT ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO pgstac_read, pgstac_ingest;
ALTER ROLE sen2extract_reader SET statement_timeout = '60s';

-- Our own tables. Whatever `sen2extract migrate` makes in this schema later is readable and writable accordingly.
CREATE SCHEMA IF NOT EXISTS sen2extract;
GRANT USAGE ON SCHEMA sen2extract TO pgstac_read, pgstac_ingest;
ALTER DEFAULT PRIVILEGES IN SCHEMA sen2extract GRANT SELECT ON TABLES TO pgstac_read;
ALTER DEFAULT PRIVILEGES IN SCHEMA sen2extract GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO pgstac_ingest;
ALTER DEFAULT PRIVILEGES IN SCHEMA sen2extract GRANT USAGE ON SEQUENCES TO pgstac_ingest;
SQL
