"""The report: one HTML file about a finished run, which opens from disk and asks no network for anything."""
