"""Render a credential as the data and metadata of a Secret, and read it back; no I/O, no clock."""
