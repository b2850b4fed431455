"""The bytes of videos, local and remote."""
