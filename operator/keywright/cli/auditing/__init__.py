"""The parts of `keywright audit`: listings of the clouds, findings in them, and their removal."""
