"""Scripts that measure, side by side, and write their own section of RESULTS.md."""
