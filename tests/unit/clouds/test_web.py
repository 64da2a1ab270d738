"""Where a key is never sent, whatever a grant says."""

from collections.abc import AsyncIterator

import pytest

from keywright.clouds.web import Web
from keywright.planning.failures import Failure, FailureClass


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    """A session of its own."""
    made = Web()
    yield made
    await made.close()


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]"),  # noqa: S104  the point
        *("169.254.169.254", "[fe80::1]", "localhost"),
    ],
)
async def test_the_operators_own_machine_and_link_are_never_asked(web: Web, host: str) -> None:
    """Loopback, link-local (instance metadata) and unspecified: by address or by name."""
    with pytest.raises(Failure, match="never asked") as refused:
        await web.ask("GET", f"https://{host}:1/", headers={"x-api-key": "planted"})
    assert refused.value.kind is FailureClass.CONFIGURATION
    assert "planted" not in refused.value.sentence()


async def test_a_host_that_is_not_there_is_told_by_name(web: Web) -> None:
    """A passing failure, without the key."""
    with pytest.raises(Failure, match=r"no-such-host\.invalid did not answer") as failed:
        await web.ask("GET", "https://no-such-host.invalid/", headers={"x-api-key": "planted"})
    assert failed.value.kind is FailureClass.RETRY
