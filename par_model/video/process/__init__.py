"""Decoding in a child process that may crash or hang."""
