#!/usr/bin/env bash
# Run the tests of both environments: the DAGs in Airflow's, everything else in the services', two modules at a time.
# Arguments go to the second pytest alone, which then runs one test after the other (unless they say -n).
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
status=0
dags=""
if [ $# -eq 0 ] && [ -n "${PGHOST:-}" ]; then
  # On a server of somebody's own, two at once would make the same roles.
  .venv-airflow/bin/python -m pytest tests/dags || status=$?
elif [ $# -eq 0 ]; then
  # The DAGs beside the others, which wait for servers now and then; told at once when they are done.
  told="$(mktemp)"
  set -m # a group of its own, which does not ignore SIGINT, on which pytest stops its servers
  (
    .venv-airflow/bin/python -m pytest tests/dags >"$told" 2>&1
    code=$?
    cat "$told"
    exit "$code"
  ) &
  dags=$!
  set +m
  trap 'kill -INT -- "-$dags" 2>/dev/null && wait "$dags"; rm -f "$told"' EXIT
  trap 'exit 130' INT TERM
  set -- -n 2
fi
.venv/bin/python -m pytest --ignore=tests/dags "$@" || status=$?
if [ -n "$dags" ]; then
  wait "$dags" || status=$?
fi
exit "$status"
