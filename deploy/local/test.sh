#!/usr/bin/env bash
# Run the tests of both environments: the DAGs in Airflow's, everything else in the services', two modules at a time.
# Arguments go to the second pytest alone, which then runs one test after the other (unless they say -n).
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
status=0
if [ $# -eq 0 ]; then
  .venv-airflow/bin/python -m pytest tests/dags || status=$?
  # On a server of somebody's own, two workers would make roles at once.
  [ -n "${PGHOST:-}" ] || set -- -n 2
fi
.venv/bin/python -m pytest --ignore=tests/dags "$@" || status=$?
exit "$status"
