"""What to do next, and when. Pure: no I/O, no clock of its own."""
