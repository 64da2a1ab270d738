"""Links to the documentation in the messages of conditions."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from keywright.api.docs_links import DOCS_URL, without_link
from keywright.api.status import Condition, ConditionStatus, GrantStatus
from keywright.planning.conditions import MESSAGE_LIMIT
from keywright.planning.docs_links import with_links
from tests.unit.api.samples import ROOT

_URL = "https://docs.example/keywright"
_WHEN = datetime(2026, 1, 1, tzinfo=UTC)
_PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")


def _condition(type_: str, status: str, reason: str, message: str = "Do this.") -> Condition:
    return Condition(
        type=type_,
        status=ConditionStatus(status),
        reason=reason,
        message=message,
        last_transition_time=_WHEN,
        observed_generation=1,
    )


def _message(condition: Condition, *, failed_attempts: int = 1) -> str:
    status = GrantStatus(conditions=(condition,), failed_attempts=failed_attempts)
    return with_links(status, docs_url=_URL).conditions[0].message


@pytest.mark.parametrize(
    ("type_", "status", "reason"),
    [
        ("Ready", "False", "AccessDenied"),
        ("Ready", "False", "Expired"),
        ("Ready", "False", "Deleting"),
        ("Stalled", "True", "InvalidSpec"),
        ("RenewalFailing", "True", "SourceNotFound"),
        ("ProbeFailing", "True", "ProbeFailed"),
        ("SecretConflict", "True", "SecretConflict"),
        ("SecretContested", "True", "FieldsTaken"),
        ("RolloutFailing", "True", "RolloutForbidden"),
        ("ClockSkewed", "True", "ClockSkewed"),
    ],
)
def test_a_message_that_asks_for_something_ends_with_a_link(
    type_: str, status: str, reason: str
) -> None:
    """To the section of its reason, which exists."""
    found = _message(_condition(type_, status, reason))
    assert found == f"Do this. See {_URL}/troubleshooting.html#{reason.lower()}"
    assert f"### {reason}\n" in _PAGE


@pytest.mark.parametrize(
    ("type_", "status", "reason", "attempts"),
    [
        ("Ready", "True", "Succeeded", 0),
        ("Ready", "True", "Suspended", 0),
        ("Ready", "False", "Suspended", 0),
        ("Ready", "False", "Progressing", 0),
        ("Ready", "False", "Deleting", 0),
        ("Reconciling", "True", "ProgressingWithRetry", 1),
        ("RolloutProgressing", "True", "RollingOut", 0),
        ("FormerSecretLeft", "True", "Pending", 0),
    ],
)
def test_no_other_message_has_one(type_: str, status: str, reason: str, attempts: int) -> None:
    """Nothing is wrong, or the condition Ready next to it has the link."""
    assert _message(_condition(type_, status, reason), failed_attempts=attempts) == "Do this."


def test_a_secret_that_was_left_has_the_section_of_its_condition() -> None:
    """The reasons of FormerSecretLeft say how far it is."""
    found = _message(_condition("FormerSecretLeft", "True", "Retained"))
    assert found.endswith("/troubleshooting.html#formersecretleft")
    assert "### FormerSecretLeft\n" in _PAGE


def test_the_code_of_a_cloud_leads_to_the_list_of_reasons() -> None:
    """It is no section, and cannot break the address."""
    found = _message(_condition("Ready", "False", "Forbidden.RAM/?x"))
    assert found == f"Do this. See {_URL}/troubleshooting.html#reasons"
    assert "## Reasons\n" in _PAGE


def test_a_command_at_the_end_of_a_message_gets_no_full_stop() -> None:
    """It can be copied as it is."""
    found = _message(_condition("Stalled", "True", "SecretNotLabeled", "Run kubectl label a b=c"))
    assert found == f"Run kubectl label a b=c - see {_URL}/troubleshooting.html#secretnotlabeled"
    assert without_link(found) == "Run kubectl label a b=c"


def test_the_length_of_a_message_stays_bounded() -> None:
    """The end of a long message gives way, and not the link."""
    found = _message(_condition("Stalled", "True", "InvalidSpec", "x" * MESSAGE_LIMIT))
    assert len(found) == MESSAGE_LIMIT
    assert found.endswith("x - see https://docs.example/keywright/troubleshooting.html#invalidspec")


def test_a_status_without_such_a_condition_is_passed_on() -> None:
    """That of a renewal is not even copied; so it is without an address."""
    calm = GrantStatus(conditions=(_condition("Ready", "True", "Succeeded"),))
    assert with_links(calm, docs_url=_URL) is calm
    failed = GrantStatus(conditions=(_condition("Stalled", "True", "InvalidSpec"),))
    assert with_links(failed, docs_url="") is failed


@pytest.mark.parametrize("url", [_URL, DOCS_URL, "http://[::1]:8000/a~b"])
def test_a_status_is_read_without_links(url: str) -> None:
    """Whatever the address was: no decision sees it, so that another address writes nothing."""
    status = GrantStatus(
        conditions=(
            _condition("Ready", "False", "Expired"),
            _condition("Stalled", "True", "InvalidSpec", "See https://a.example/troubleshooting"),
        ),
        failed_attempts=1,
    )
    written = with_links(status, docs_url=url).to_body()
    assert all(url in each["message"] for each in written["conditions"])
    assert GrantStatus.parse(written) == status


def test_only_a_link_at_the_end_is_removed() -> None:
    """Other text of a status, which any client may have written, stays."""
    link = f" See {_URL}/troubleshooting.html#invalidspec"
    for message in (f"a{link} b", "See https://x.example/troubleshooting.html#", f"{link} ", "a"):
        assert without_link(message) == message
    assert without_link(f"a{link}") == "a"
    assert without_link(f"a{link}{link}") == f"a{link}"


def test_the_address_is_that_of_the_metadata_of_the_project() -> None:
    """One address in pyproject.toml, the chart and the alerts."""
    project = (ROOT / "pyproject.toml").read_text()
    assert f'Documentation = "{DOCS_URL}"' in project
    for file in ("chart/values.yaml", "chart/templates/_names.tpl", "monitoring/alerts.yaml"):
        text = (ROOT / "manifests" / file).read_text()
        assert set(re.findall(r"https://docs\.[^/\s\"]+", text)) == {DOCS_URL}


def test_pages_are_files_as_the_site_is_built() -> None:
    """A link has .html because the site has no address for each folder."""
    assert "use_directory_urls: false" in (ROOT / "mkdocs.yml").read_text()
    assert ".html#" in _message(_condition("Ready", "False", "Expired"))
