"""The guides show the files that users copy."""

import pytest

from tests.cluster.guides import resources_of_no_example

GUIDES = (
    "rollouts",
    "bedrock-long-term",
    "sts-credentials",
    "role-chains",
    "access-keys",
    "roles-anywhere",
    "tenancy",
    "api-gateway",
    "alibaba-rrsa",
    "alibaba-access-key",
    "alibaba-profile",
    "alibaba-credentials-uri",
    "alibaba-bearer",
    "alibaba-rsa-key-pair",
    "operator-identity",
    "bridges",
    "token-exchange",
)


@pytest.mark.parametrize("guide", GUIDES)
def test_the_resources_of_a_guide_are_those_of_its_example(guide: str) -> None:
    """What a guide shows is a file that it links to, word for word."""
    assert resources_of_no_example(f"docs/{guide}.md") == []
