"""The engines that ``parjob table ddl`` writes for, without Arrow, which help need not load."""

ENGINES = ("duckdb", "spark", "athena", "trino", "clickhouse", "bigquery")
