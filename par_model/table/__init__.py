"""The attribute table: its Arrow schema, the files it lies in, and the record of the run that made it."""
