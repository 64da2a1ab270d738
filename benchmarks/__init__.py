"""Speed, API calls, processor time and memory, as ratios to a bare client loop run beside them."""
