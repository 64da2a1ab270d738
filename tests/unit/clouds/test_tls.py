"""Which key exchanges of TLS are offered to hosts that tenants choose."""

from __future__ import annotations

from keywright.clouds.connections import Authorities


def test_no_cipher_exchanges_keys_by_dhe() -> None:
    """The server would choose the size of the group, and with it how long the event loop stands."""
    offered = Authorities().load().get_ciphers()
    names = {str(cipher["name"]) for cipher in offered}
    assert any(name.startswith("ECDHE") for name in names)
    assert not {name for name in names if name.startswith(("DHE", "EDH", "ADH"))}
    assert {str(cipher["kea"]) for cipher in offered} <= {"kx-ecdhe", "kx-any"}
