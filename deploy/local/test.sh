#!/usr/bin/env bash
# Run the tests of both environments: the DAGs in Airflow's, everything else in the services'.
# Arguments go to the second pytest. Fails when either fails.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
status=0
if [ $# -eq 0 ]; then
  .venv-airflow/bin/python -m pytest tests/dags || status=$?
fi
.venv/bin/python -m pytest --ignore=tests/dags "$@" || status=$?
exit "$status"
