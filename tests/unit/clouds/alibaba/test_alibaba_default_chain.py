"""The default chain of the operator itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from keywright.clouds.alibaba.identities.default_chain import AlibabaDefaultChain
from tests.unit.fakes.clock import NOON

_PROGRAM = """
import asyncio, json, logging, sys
from datetime import UTC, datetime
from keywright.clouds.alibaba.identities.default_chain import AlibabaDefaultChain

async def main():
    chain = AlibabaDefaultChain()
    found = await chain.session(now=datetime.now(UTC))
    chain.close()
    answer = None if found is None else [
        found.access_key_id,
        found.secret_access_key.reveal(),
        found.session_token.reveal() if found.session_token else None,
    ]
    print(json.dumps(answer))

logging.basicConfig(level=logging.DEBUG)
asyncio.run(main())
"""


@dataclass(frozen=True)
class Found:
    """What a provider of the library gives."""

    end: int | None = None
    token: str | None = None

    def get_access_key_id(self) -> str:
        """As the library has it."""
        return "STS.1"

    def get_access_key_secret(self) -> str:
        """As the library has it."""
        return "planted"

    def get_security_token(self) -> str | None:
        """As the library has it."""
        return self.token

    def get_expiration(self) -> int | None:
        """Seconds since 1970."""
        return self.end


class Scripted:
    """Gives what the test has written down, one each call."""

    def __init__(self, *answers: Found | Exception) -> None:
        self.answers = list(answers)

    def get_credentials(self) -> Found:
        """The next one."""
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class OfAFile:
    """Hands on what another provider gives, without its end, as the library's does."""

    def __init__(self, inner: Any) -> None:
        self.__innerProvider = inner  # the library's own name

    def get_credentials(self) -> Found:
        """Without an end."""
        self.__innerProvider.get_credentials()
        return Found()


END = int(datetime(2026, 11, 22, 13, tzinfo=UTC).timestamp())


async def test_the_first_that_has_something_wins() -> None:
    """Those before it may raise whatever they like; its end is the real one."""
    chain = AlibabaDefaultChain(
        load=lambda: [Scripted(ValueError("planted")), Scripted(Found(END, "t"))]
    )
    found = await chain.session(now=NOON)
    assert found is not None
    assert (found.access_key_id, found.issued_at) == ("STS.1", NOON)
    assert found.expires_at == datetime(2026, 11, 22, 13, tzinfo=UTC)
    chain.close()


async def test_what_a_file_hands_on_keeps_its_end() -> None:
    """The library drops it; the provider behind it has it still."""
    inner = Scripted(Found(END), Found(END))
    chain = AlibabaDefaultChain(load=lambda: [OfAFile(inner)])
    found = await chain.session(now=NOON)
    assert found is not None
    assert found.expires_at is not None
    chain.close()


async def test_nothing_is_none() -> None:
    """The text of an exception is not shown either: the library quotes whole responses."""
    chain = AlibabaDefaultChain(load=lambda: [Scripted(ValueError("planted"))])
    assert await chain.session(now=NOON) is None
    chain.close()


@pytest.mark.parametrize(
    ("variables", "file", "expected"),
    [
        (
            {
                "ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAI1",
                "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "planted",
                "ALIBABA_CLOUD_SECURITY_TOKEN": "token",
            },
            None,
            ["LTAI1", "planted", "token"],
        ),
        (
            {},
            {"name": "p", "mode": "AK", "access_key_id": "A", "access_key_secret": "planted"},
            ["A", "planted", None],
        ),
        ({}, None, None),
    ],
    ids=["variables", "file", "nothing"],
)
def test_it_is_the_librarys_own_chain(
    variables: dict[str, str], file: dict[str, str] | None, expected: object, tmp_path: Path
) -> None:
    """In a process of its own, since the library reads the environment when it is imported.

    It writes nothing to the terminal, whatever the level of logging is.
    """
    if file is not None:
        (tmp_path / ".aliyun").mkdir()
        text = json.dumps({"current": "p", "profiles": [file]})
        (tmp_path / ".aliyun" / "config.json").write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(__file__).parents[4] / "operator"),
            "HOME": str(tmp_path),
            "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
            **variables,
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == expected
    assert "planted" not in done.stderr
    assert "credentials" not in done.stderr


def test_the_library_is_imported_for_nobody_else() -> None:
    """Nor at the start of the operator: at its import it reads the environment."""
    code = (
        "import keywright.controller.clouds, sys;"
        "print(any('alibabacloud' in name for name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(Path(__file__).parents[4] / "operator")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"
