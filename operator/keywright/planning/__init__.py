"""Decide the next step and its time. Pure: no I/O, no clock of its own."""
