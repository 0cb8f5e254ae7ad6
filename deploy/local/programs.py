"""Where the programs of PostgreSQL are; without any package, since `setup.sh` asks before there is one.

Run as a program it says what is missing, and ends with 1.
"""

import shutil
import subprocess
import sys
from pathlib import Path


class PostgresError(RuntimeError):
    """PostgreSQL is missing or refused something; the message says what to do."""


def programs() -> Path:
    """Return the folder of the newest PostgreSQL programs that have PostGIS beside them."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("postgres")
    candidates = [path.parent for path in reversed(found)] + ([Path(on_path).resolve().parent] if on_path else [])
    for folder in candidates:
        if _has_postgis(folder):
            return folder
    raise PostgresError(
        "PostgreSQL with PostGIS is not installed. On Debian or Ubuntu: apt-get install postgresql-postgis "
        "(or postgresql-15-postgis-3), or set PGHOST, PGUSER, PGPASSWORD and PGDATABASE to a server that has it."
    )


def _has_postgis(folder: Path) -> bool:
    asked = subprocess.run([folder / "pg_config", "--sharedir"], capture_output=True, text=True, check=False)
    shared = Path(asked.stdout.strip() or f"/usr/share/postgresql/{folder.parts[-2]}")
    return (shared / "extension" / "postgis.control").exists()


if __name__ == "__main__":
    try:
        programs()
    except PostgresError as error:
        sys.exit(str(error))
