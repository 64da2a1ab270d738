"""The start of `keywright run`."""

from __future__ import annotations

import argparse
import gc

import pytest

from keywright.cli.run import run


def test_a_start_that_fails_leaves_the_garbage_collector_on() -> None:
    """It is off during the imports; options that are missing fail after them."""
    assert gc.isenabled()
    with pytest.raises(AttributeError):
        run(argparse.Namespace())
    assert gc.isenabled()
