"""Lookups by name and namespace, in which an absent namespace matches every other."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from keywright.cli.inventory import same_namespace
from keywright.cli.namespace_index import NamespaceIndex

_NAMES = st.sampled_from(("a", "b"))
_NAMESPACES = st.sampled_from((None, "x", "y"))


@given(st.lists(st.tuples(_NAMES, _NAMESPACES), max_size=12))
def test_a_lookup_finds_what_a_scan_finds(places: list[tuple[str, str | None]]) -> None:
    """In the same order, which decides between copies of an object."""
    entries = [(name, namespace, number) for number, (name, namespace) in enumerate(places)]
    index = NamespaceIndex(entries)
    for name, namespace in product(("a", "b", "absent"), (None, "x", "y", "absent")):
        expected = [
            entry for named, of, entry in entries if named == name and same_namespace(of, namespace)
        ]
        assert list(index.matching(name, namespace)) == expected
