"""What a run of any kind keeps in its output: lock, claim, record, outcomes so far."""
