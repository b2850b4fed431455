#!/usr/bin/env bash
# DuckDB 2.0.1, Polars 2.1.0, chdb 4.4.0 (ClickHouse), Python 3.11's zoneinfo with tzdata 2026.6: what o'clock it is at
# 12:00 UTC on 15 December 2026, where the cameras are.
#
# Guess: each of them brings a table of time zones of this year, so that an instant has one local hour, and a count of
# people by the hour of the day is the same in all of them.
#
# Seen: several places have changed their clocks' rules in 2026 (British Columbia, Alberta, Manitoba, Cuba and Morocco
# among them), and each library has another year's table, built in. DuckDB knows what tzdata 2026.6 knows. Polars has
# none of the changes, ClickHouse some. So counts by local hour are an hour apart, for months, and nothing says so.
# An hour in UTC is the same everywhere.
#
# Output seen:
#   America/Vancouver: tzdata 05, DuckDB 05, Polars 04, ClickHouse 05
#   America/Winnipeg: tzdata 07, DuckDB 07, Polars 06, ClickHouse 06
#   America/Havana: tzdata 08, DuckDB 08, Polars 07, ClickHouse 07
#   Africa/Casablanca: tzdata 12, DuckDB 12, Polars 13, ClickHouse 12
#   Europe/Berlin: tzdata 13, DuckDB 13, Polars 13, ClickHouse 13
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.1 polars==2.1.0 chdb==4.4.0 tzdata==2026.6
cat > "$folder/see.py" <<'PY'
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import duckdb
import polars
from chdb import session

NOON = datetime(2026, 12, 15, 12, tzinfo=UTC)
TEXT = "2026-12-15 12:00:00"
clickhouse = session.Session()
EXPECTED = {
    "America/Vancouver": (5, 5, 4, 5),
    "America/Winnipeg": (7, 7, 6, 6),
    "America/Havana": (8, 8, 7, 7),
    "Africa/Casablanca": (12, 12, 13, 12),
    "Europe/Berlin": (13, 13, 13, 13),
}
seen = {}
for zone in EXPECTED:
    seen[zone] = (
        NOON.astimezone(ZoneInfo(zone)).hour,
        duckdb.sql(f"SELECT hour(timestamptz '{TEXT}+00' AT TIME ZONE '{zone}')").fetchall()[0][0],
        polars.Series([NOON]).dt.convert_time_zone(zone).dt.hour()[0],
        int(str(clickhouse.query(f"SELECT toHour(toDateTime('{TEXT}', 'UTC'), '{zone}')", "CSV"))),
    )
    print(f"{zone}: tzdata {{:02}}, DuckDB {{:02}}, Polars {{:02}}, ClickHouse {{:02}}".format(*seen[zone]))
assert seen == EXPECTED, seen
PY
PYTHONTZPATH="" "$folder/venv/bin/python" "$folder/see.py"
