#!/usr/bin/env bash
# DuckDB 2.0.1, chdb 4.4.0 (ClickHouse), Python 3.11's zoneinfo: the clock of a camera in Berlin, as text on its way
# to an instant. On 25 October 2026 the hour from 2 to 3 comes twice; on 29 March 2026 it does not come.
#
# Guess: of the hour that comes twice all take the first one, as Python does (PEP 495), or refuse it, as Polars,
# pandas and pyarrow do; of the hour that does not come all go on with the offset before, so that 02:30 is 03:30.
#
# Seen: Python and ClickHouse take the first hour, DuckDB the second: events of one camera, loaded into the two, lie
# an hour apart. The hour that does not come is 03:30 to Python and DuckDB, and 01:30 to ClickHouse. So no two of the
# three agree on both nights.
#
# Output seen, in UTC:
#   2026-10-25 02:30: Python 00:30, DuckDB 01:30, ClickHouse 00:30
#   2026-03-29 02:30: Python 01:30, DuckDB 01:30, ClickHouse 00:30
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.1 chdb==4.4.0 chdb-core==26.9.0 tzdata==2026.6
cd "$folder"
cat > duck.py <<'PY'
import sys
import duckdb

duckdb.sql("SET TimeZone = 'UTC'")
print(duckdb.sql(f"SELECT strftime(TIMESTAMP '{sys.argv[1]}' AT TIME ZONE 'Europe/Berlin', '%H:%M')").fetchall()[0][0])
PY
cat > click.py <<'PY'
import sys
import chdb

query = f"SELECT formatDateTime(toTimeZone(toDateTime('{sys.argv[1]}', 'Europe/Berlin'), 'UTC'), '%H:%i')"
print(str(chdb.query(query, "TSV")).strip())
PY
cat > plain.py <<'PY'
import sys
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

wall = datetime.fromisoformat(sys.argv[1]).replace(tzinfo=ZoneInfo("Europe/Berlin"))
print(wall.astimezone(timezone.utc).strftime("%H:%M"))
PY
ask() {
    printf 'Python %s, DuckDB %s, ClickHouse %s' "$(venv/bin/python plain.py "$1")" "$(venv/bin/python duck.py "$1")" \
        "$(venv/bin/python click.py "$1")"
}
twice="$(ask '2026-10-25 02:30:00')"
never="$(ask '2026-03-29 02:30:00')"
printf '2026-10-25 02:30: %s\n2026-03-29 02:30: %s\n' "$twice" "$never"
[ "$twice" = 'Python 00:30, DuckDB 01:30, ClickHouse 00:30' ]
[ "$never" = 'Python 01:30, DuckDB 01:30, ClickHouse 00:30' ]
