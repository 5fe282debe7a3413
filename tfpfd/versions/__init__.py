"""Versions on disk: directories by number, locks, and what their records share."""
