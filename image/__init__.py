"""Makes the container image: what is in it is put together here, docker only wraps it."""
