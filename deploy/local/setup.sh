#!/usr/bin/env bash
# Install what the embedded stack needs and is not there yet. Run again, it does nothing, quickly.
#   setup.sh            to run the stack
#   setup.sh --test     and to run the tests and linters
# Looks for, and if need be installs: uv, a Python >= 3.12, the two environments, PostgreSQL + PostGIS, the page.
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { printf '  %s\n' "$*"; }
fail() { printf '\nsetup: %s\n' "$*" >&2; exit 1; }
trap 'printf "\nsetup: interrupted. Run it again, and it goes on.\n" >&2; exit 130' INT TERM

home="${SEN2EXTRACT_HOME:-.local}"
log="$home/log/setup.log"
mkdir -p "$home/log" || fail "cannot write into $home: is it another user's, or its disk full?"
# One set-up of this clone at a time: the script's own file is the lock, which ends with us.
exec 9<deploy/local/setup.sh
if ! flock --nonblock 9; then
  say "another set-up of this clone is at work: waiting for it"
  flock 9
fi
: >"$log" || fail "cannot write $log: is it another user's, or its disk full?"
groups=(--group local --group web)
airflow_groups=()
with_tests=""
if [ "${1:-}" = --test ]; then
  with_tests=yes
  groups+=(--group test --group lint)
  airflow_groups+=(--group dagtest)
fi

# Run a step: its name and time are shown, its noise goes to the log, the end of which is shown when it fails.
step() {
  local what="$1" start="$SECONDS"
  shift
  printf '  %s … ' "$what"
  # Without our lock: a package may start a server, which would keep it.
  if ! "$@" >>"$log" 2>&1 9<&-; then
    printf 'failed\n'
    tail -n 30 "$log" >&2
    fail "$what failed; all of it is in $log"
  fi
  printf '%s s\n' "$((SECONDS - start))"
}
has_apt() { [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; }

apt_updated=""
apt_install() {
  export DEBIAN_FRONTEND=noninteractive
  # A fresh machine may be upgrading itself just now, and an earlier try may have been interrupted.
  local apt=(apt-get -q -y -o DPkg::Lock::Timeout=300)
  if [ -z "$apt_updated" ]; then
    dpkg --configure -a
    "${apt[@]}" update || { sleep 20; "${apt[@]}" update; } || return 1
    apt_updated=yes
  fi
  "${apt[@]}" install --no-install-recommends "$@"
}

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
has_venv() { python3 -c 'import ensurepip' 2>>"$log"; }
has_pip() { python3 -m pip --version >>"$log" 2>&1; }
# A PostgreSQL elsewhere is remembered until PGHOST is given anew, if only as nothing.
postgres_elsewhere() {
  if [ -n "${PGHOST+given}" ]; then [ -n "$PGHOST" ]; else grep -qs '^SEN2EXTRACT_ELSEWHERE=.*postgres' "$home/env"; fi
}
has_postgres() { python3 deploy/local/programs.py >>"$log" 2>&1; }

# --- what only apt brings: all of it is told at once, before anything is downloaded --------------------------------
command -v python3 >/dev/null || fail "python3 is missing: sudo apt-get install python3"
packages=()
if ! find_uv >/dev/null && ! has_venv && ! has_pip; then packages+=(python3-venv); fi
if { ! postgres_elsewhere || [ -n "$with_tests" ]; } && ! has_postgres; then packages+=(postgresql-postgis); fi
if [ "${#packages[@]}" -gt 0 ] && ! has_apt; then
  fail "this machine lacks what only its administrator may install. Run this, and try again:
  sudo apt-get install ${packages[*]}
A PostgreSQL elsewhere, with PostGIS, will do as well: set PGHOST, PGUSER, PGPASSWORD and PGDATABASE."
fi
install_postgres() {
  apt_install postgresql-common || return 1
  local package
  package="$(apt-cache search --names-only '^postgresql-[0-9]+-postgis-3$' | cut -d' ' -f1 | sort -V | tail -n 1)"
  [ -n "$package" ] || { echo "apt offers no postgresql-*-postgis-3"; return 1; }
  apt_install "${package%-postgis-3}" "$package"
}
for package in "${packages[@]}"; do
  case "$package" in
    postgresql-postgis) step "PostgreSQL and PostGIS, through apt" install_postgres ;;
    *) step "$package, through apt" apt_install "$package" ;;
  esac
done

# --- uv ---------------------------------------------------------------------------------------------------------
# From PyPI rather than by curl | sh: PyPI may be all there is.
install_uv() {
  if has_venv; then
    python3 -m venv --clear "$home/uv" && "$home/uv/bin/python" -m pip install -q 'uv>=0.9'
  else
    python3 -m pip install -q --prefix "$(realpath "$home")/uv" 'uv>=0.9'
  fi
}
if ! uv="$(find_uv)"; then
  step "uv, into $home/uv" install_uv
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
  if ! UV_PYTHON="$(.venv/bin/python -c 'import sys; print(sys._base_executable)' 2>>"$log")" &&
    ! UV_PYTHON="$(find_python)"; then
    UV_PYTHON=3.12
    printf '  Python 3.12, by uv … '
    if ! "$uv" python install 3.12 >>"$log" 2>&1; then
      printf 'failed\n'
      tail -n 3 "$log" >&2
      fail "no Python >= 3.12 was found and uv could not download one from GitHub (see above).
Install one (Debian 13 and Ubuntu 24.04 have it; pyenv or conda elsewhere) and try again with UV_PYTHON=/path/to/python3"
    fi
    printf 'done\n'
  fi
  export UV_PYTHON
fi

# --- the two environments ---------------------------------------------------------------------------------------
# Inexact: what a developer or the tests added stays. A stamp holds what the environment was made from: nothing to do when it is the same.
was_elsewhere() { case "$1" in *" /"*) case "$1" in *" $PWD "*) return 1 ;; esac ;; *) return 1 ;; esac; }
sync() {
  local environment="$1"
  shift
  local stamp="$environment/.sen2extract" want have=""
  want="$(cat uv.lock pyproject.toml | cksum) $PWD $*"
  # Scripts hold the path they were made for: an environment that was moved, or has lost its Python, is made anew.
  [ -f "$stamp" ] && have="$(cat "$stamp")"
  if [ -d "$environment" ] && { ! "$environment/bin/python" -c '' || was_elsewhere "$have"; } 2>>"$log"; then
    step "removing $environment, which has moved or lost its Python" rm -rf "$environment"
    have=""
  fi
  # An environment with the tests' packages serves the stack as well.
  case "$have" in "$want"*) return ;; esac
  step "Python environment $environment" env UV_PROJECT_ENVIRONMENT="$environment" "$uv" sync --frozen --inexact "$@"
  echo "$want" >"$stamp"
}
sync .venv --extra stac --extra ingest --extra series --extra tiler "${groups[@]}"
sync .venv-airflow --extra airflow --extra ingest --extra series "${airflow_groups[@]}"

# --- the browser of the tests -----------------------------------------------------------------------------------
if [ -n "$with_tests" ] && ! command -v chromium >/dev/null; then
  # Ubuntu's package is only a pointer to a snap, which a container cannot run: then the tests say why they skip.
  if has_apt && { printf '  chromium, for the tests of the page … '; apt_install chromium >>"$log" 2>&1 9<&-; }; then
    printf 'done\n'
  else
    say "no chromium: the tests of the page are skipped (sudo apt-get install chromium)"
  fi
fi

# npm writes its hidden lockfile last: without it, an installation was interrupted.
npm_is_due() { [ ! -f "$1/node_modules/.package-lock.json" ] || [ "$1/package-lock.json" -nt "$1/node_modules/.package-lock.json" ]; }

# --- the page ---------------------------------------------------------------------------------------------------
build_page() {
  export PATH="$PWD/.venv/bin:$PATH"
  if npm_is_due tiler/web; then npm --prefix tiler/web ci --no-audit --no-fund || return 1; fi
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
  npm --prefix tests/tools ci --no-audit --no-fund
}
if [ -n "$with_tests" ] && npm_is_due tests/tools; then
  step "validators from npm, for the tests" install_tools
fi
