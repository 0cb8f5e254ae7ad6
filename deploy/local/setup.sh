#!/usr/bin/env bash
# Install what the embedded stack needs and is not there yet. Run again, it does nothing, quickly.
#   setup.sh            to run the stack
#   setup.sh --test     and to run the tests and linters
# Looks for, and if need be installs: uv, a Python >= 3.12, the two environments, PostgreSQL + PostGIS, the page.
set -euo pipefail
cd "$(dirname "$0")/../.."

home="${SEN2EXTRACT_HOME:-.local}"
log="$home/log/setup.log"
mkdir -p "$home/log"
: >"$log"
groups=(--group local --group web)
airflow_groups=()
with_tests=""
if [ "${1:-}" = --test ]; then
  with_tests=yes
  groups+=(--group test --group lint)
  airflow_groups+=(--group dagtest)
fi

say() { printf '  %s\n' "$*"; }
fail() { printf '\nsetup: %s\n' "$*" >&2; exit 1; }
# Run a step: its name and time are shown, its noise goes to the log, the end of which is shown when it fails.
step() {
  local what="$1" start="$SECONDS"
  shift
  printf '  %s … ' "$what"
  if ! "$@" >>"$log" 2>&1; then
    printf 'failed\n'
    tail -n 30 "$log" >&2
    fail "$what failed; all of it is in $log"
  fi
  printf '%s s\n' "$((SECONDS - start))"
}
is_root() { [ "$(id -u)" -eq 0 ]; }

apt_updated=""
apt_install() {
  export DEBIAN_FRONTEND=noninteractive
  if [ -z "$apt_updated" ]; then
    apt-get update -q || return 1
    apt_updated=yes
  fi
  apt-get install -q -y --no-install-recommends "$@"
}

# --- uv ---------------------------------------------------------------------------------------------------------
# From PyPI rather than by curl | sh: PyPI may be all there is.
make_uv_venv() {
  if is_root && command -v apt-get >/dev/null && ! python3 -c 'import ensurepip' 2>/dev/null; then
    apt_install python3 python3-venv || return 1
  fi
  python3 -m venv "$home/uv" && "$home/uv/bin/python" -m pip install -q 'uv>=0.9'
}
pip_uv() { python3 -m pip install -q --prefix "$PWD/$home/uv" 'uv>=0.9'; }

find_uv() {
  local candidate
  for candidate in "$home/uv/bin/uv" uv "$HOME/.local/bin/uv" "$HOME/.cargo/bin/uv"; do
    # A pyenv shim exists for every command and may refuse to run.
    if "$candidate" --version >/dev/null 2>&1; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}
if ! uv="$(find_uv)"; then
  if is_root || python3 -c 'import ensurepip' 2>/dev/null; then
    step "uv, into $home/uv" make_uv_venv
  elif python3 -m pip --version >/dev/null 2>&1; then
    step "uv, into $home/uv" pip_uv
  else
    fail "uv is missing and there is neither pip nor venv to install it with.
Run one of:  sudo apt-get install python3-venv   ·   see https://docs.astral.sh/uv/getting-started/installation/"
  fi
  uv="$(find_uv)" || fail "uv was installed but does not run; see $log"
fi

# --- Python >= 3.12 ---------------------------------------------------------------------------------------------
# uv sees only what pyenv's shims can start; the interpreters themselves may be there all the same.
find_python() {
  "$uv" python find '>=3.12' --no-python-downloads 2>>"$log" && return
  local candidate
  for candidate in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[2-9]*/bin/python3 /opt/python*/bin/python3; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  return 1
}
if [ -z "${UV_PYTHON:-}" ]; then
  if [ -x .venv/bin/python ]; then
    UV_PYTHON="$(.venv/bin/python -c 'import sys; print(sys._base_executable)')"
  elif ! UV_PYTHON="$(find_python)"; then
    UV_PYTHON=3.12
    if ! "$uv" python install 3.12 >>"$log" 2>&1; then
      tail -n 3 "$log" >&2
      fail "no Python >= 3.12 was found and uv could not download one (see above).
Install one (Debian 13 and Ubuntu 24.04 have it; pyenv or conda elsewhere) and try again with UV_PYTHON=/path/to/python3"
    fi
  fi
  export UV_PYTHON
fi

# --- the two environments ---------------------------------------------------------------------------------------
# Inexact: what a developer or the tests added stays. A stamp holds what the environment was made from: nothing to do when it is the same.
sync() {
  local environment="$1"
  shift
  local stamp="$environment/.sen2extract" want have=""
  want="$(cat uv.lock pyproject.toml | cksum) $*"
  [ -f "$stamp" ] && have="$(cat "$stamp")"
  # An environment with the tests' packages serves the stack as well.
  case "$have" in "$want"*) return ;; esac
  step "Python environment $environment" env UV_PROJECT_ENVIRONMENT="$environment" "$uv" sync --frozen --inexact "$@"
  echo "$want" >"$stamp"
}
sync .venv --extra stac --extra ingest --extra series --extra tiler "${groups[@]}"
sync .venv-airflow --extra airflow --extra ingest --extra series "${airflow_groups[@]}"

# --- PostgreSQL + PostGIS ---------------------------------------------------------------------------------------
has_postgres() { PYTHONPATH=deploy/local .venv/bin/python -c 'import postgres; postgres.programs()' 2>>"$log"; }
install_postgres() {
  apt_install postgresql-common || return 1
  local package
  package="$(apt-cache search --names-only '^postgresql-[0-9]+-postgis-3$' | cut -d' ' -f1 | sort -V | tail -n 1)"
  [ -n "$package" ] || { echo "apt offers no postgresql-*-postgis-3"; return 1; }
  apt_install "${package%-postgis-3}" "$package"
}
if { [ -z "${PGHOST:-}" ] || [ -n "$with_tests" ]; } && ! has_postgres; then
  if is_root && command -v apt-get >/dev/null; then
    step "PostgreSQL and PostGIS, through apt" install_postgres
  else
    fail "PostgreSQL with PostGIS is not installed. Run:  sudo apt-get install postgresql-postgis
or set PGHOST, PGUSER, PGPASSWORD and PGDATABASE to a server that has PostGIS."
  fi
fi

# --- the browser of the tests -----------------------------------------------------------------------------------
if [ -n "$with_tests" ] && ! command -v chromium >/dev/null; then
  # Ubuntu's package is only a pointer to a snap, which a container cannot run: then the tests say why they skip.
  if is_root && command -v apt-get >/dev/null && { printf '  chromium, for the tests of the page … '; apt_install chromium >>"$log" 2>&1; }; then
    printf 'done\n'
  else
    say "no chromium: the tests of the page are skipped"
  fi
fi

# --- the page ---------------------------------------------------------------------------------------------------
build_page() {
  export PATH="$PWD/.venv/bin:$PATH"
  if [ ! -d tiler/web/node_modules ] || [ tiler/web/package-lock.json -nt tiler/web/node_modules ]; then
    npm --prefix tiler/web ci --no-audit --no-fund && touch tiler/web/node_modules || return 1
  fi
  npm --prefix tiler/web run build && touch tiler/static/index.html
}
page_is_old() {
  [ ! -f tiler/static/index.html ] ||
    [ -n "$(find tiler/web -path tiler/web/node_modules -prune -o -type f -newer tiler/static/index.html -print -quit)" ]
}
if [ -f tiler/web/package-lock.json ] && page_is_old; then
  step "the web page" build_page
fi

# --- what the tests run and only npm has ------------------------------------------------------------------------
install_tools() {
  export PATH="$PWD/.venv/bin:$PATH"
  npm --prefix tests/tools ci --no-audit --no-fund && touch tests/tools/node_modules
}
if [ -n "$with_tests" ] && { [ ! -d tests/tools/node_modules ] || [ tests/tools/package-lock.json -nt tests/tools/node_modules ]; }; then
  step "validators from npm, for the tests" install_tools
fi
