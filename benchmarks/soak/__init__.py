"""A long run at full load with replicas that die: what `make soak` starts."""
