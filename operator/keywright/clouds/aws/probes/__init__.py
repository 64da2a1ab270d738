"""One file per way to try a new key of AWS before it is published."""
