"""A minimal client of the Kubernetes API: few calls, plain dictionaries, one session."""
