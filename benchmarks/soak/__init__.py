"""A long run at full load with replicas that are killed: `make soak`."""
