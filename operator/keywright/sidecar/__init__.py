"""Serve the credentials of a mounted Secret to the SDK in the same pod, on the loopback address.

An SDK that gets credentials from a URI refreshes them before they expire, so that a pod needs no
restart for a renewal. This package accesses no cluster and no cloud: it reads files.
"""
