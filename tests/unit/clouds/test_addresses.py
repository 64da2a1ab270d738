"""Which addresses are connected to, by who chose the host."""

import pytest

from keywright.clouds.addresses import Reach, may_connect

NEVER = [
    *("127.0.0.1", "127.8.8.8", "::1", "0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "ff02::1"),  # noqa: S104  addresses like any others
    *("169.254.169.254", "169.254.170.2", "fe80::1", "fe80::1%eth0", "100.100.100.200"),
    *("fd00:ec2::254", "fd00:ec2::23", "::ffff:127.0.0.1", "::ffff:169.254.169.254"),
    *("::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::169.254.169.254"),
    *("64:ff9b::100.100.100.200", "64:ff9b:1::127.0.0.1", "64:ff9b:1:7f00:0:100::"),
    *("64:ff9b:1:7f00:0:100:808:808", "2002:7f00:1::", "2002:a9fe:a9fe::1"),
    # Teredo: a server, and a client in the inverted last bits.
    *("2001:0:7f00:1::808:808", "2001:0:808:808::80ff:fffe"),
    # Oracle's and Azure's own services beside the metadata.
    *("192.0.0.192", "168.63.129.16", "::ffff:168.63.129.16", "64:ff9b::168.63.129.16"),
    # ISATAP, with a globally unique address and without.
    *("2606:4700::5efe:169.254.169.254", "2606:4700::200:5efe:127.0.0.1", "fe80::5efe:10.0.0.7"),
    *("not-an-address", ""),
]
PRIVATE = [
    *("10.0.0.7", "172.16.1.1", "192.168.1.1", "100.64.0.1", "100.100.100.201", "fd00::7"),
    *("::ffff:10.0.0.7", "64:ff9b::10.0.0.7", "64:ff9b:1::10.0.0.7", "2002:a00:7::1"),
    *("198.18.0.1", "192.0.2.1", "240.0.0.1", "255.255.255.255", "2001:db8::1"),
    *("192.0.0.8", "192.88.99.1", "fec0::1", "3fff::1", "5f00::1", "100::1", "2001:2::1"),
    *("::5efe:10.0.0.7", "2606:4700::5efe:10.0.0.7", "2606:4700::200:5efe:192.168.0.1"),
]
GLOBAL = ["93.184.216.34", "2606:4700::1111", "64:ff9b::93.184.216.34", "::ffff:93.184.216.34"]


@pytest.mark.parametrize("address", NEVER)
@pytest.mark.parametrize("reach", [Reach.VENDOR, Reach.LISTED, Reach.PUBLIC])
def test_this_machine_and_its_metadata_are_never_reached_by_a_name(
    address: str, reach: Reach
) -> None:
    """In every spelling, and through every translation of addresses; listed hosts included."""
    assert not may_connect(address, reach)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_for_the_clouds_own_hosts(address: str) -> None:
    """And for hosts that the operator lists; never for those of a tenant's choice."""
    assert may_connect(address, Reach.VENDOR)
    assert may_connect(address, Reach.LISTED)
    assert not may_connect(address, Reach.PUBLIC)


@pytest.mark.parametrize("address", GLOBAL)
@pytest.mark.parametrize("reach", Reach)
def test_global_addresses_are_for_everyone(address: str, reach: Reach) -> None:
    """Also behind NAT64."""
    assert may_connect(address, reach)


def test_an_address_that_the_operator_lists_is_meant() -> None:
    """`--allow-sts-endpoint=127.0.0.1:8443` says what it is; a name that leads there does not."""
    assert may_connect("127.0.0.1", Reach.LISTED, literal=True)
    assert not may_connect("127.0.0.1", Reach.LISTED)
    assert not may_connect("127.0.0.1", Reach.VENDOR, literal=True)
    assert may_connect("127.0.0.1", Reach.OPERATOR)
