"""Emulated clouds, each in its own process."""
