"""Hands the credentials of a mounted Secret to the SDK in the same pod, over the loopback address.

An SDK that asks a URI asks again before the end, so that a pod lives through renewals without a
restart. This room knows no cluster and no cloud: it reads files.
"""
