"""Speed, API calls, processor time and memory, relative to a bare client loop."""
