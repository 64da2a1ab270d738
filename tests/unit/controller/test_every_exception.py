"""Whatever is raised at an edge, the grant tells it, counts it, and in the end lets itself go."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from keywright.api.errors import ApiError, ConflictError, SecretExistsError
from keywright.planning.deletion import MIN_ATTEMPTS
from tests.unit.controller.samples import GRANTS, SECRET, SOURCES, Scene, scene
from tests.unit.controller.test_rollouts import APPS, renew, rolling
from tests.unit.exceptions import every_exception, instances
from tests.unit.fakes.managed_keys import SmallIam

_GRANT = f"{GRANTS}/chat-key"
_LONG = {"user": {"name": "bedrock-chat"}, "rotateEvery": "7d"}


def _each() -> list[Exception]:
    return [error for kind in every_exception() for error in list(instances(kind))[:1]]


def _of_the_cluster() -> list[Exception]:
    """Those that can come from the Kubernetes API, or from reading its answers."""
    libraries = ("builtins", "aiohttp", "kubernetes", "keywright", "msgspec")
    return [each for each in _each() if type(each).__module__.partition(".")[0] in libraries]


def _reported(made: Scene) -> list[str]:
    return [f"{each['type']} {each['status']}" for each in made.status()["conditions"]]


async def _first_key(error: Exception) -> tuple[Any, list[str]]:
    made = scene()
    made.cloud_provider.failures.append(error)
    await made.settle()
    return made.status().get("failedAttempts"), _reported(made)


async def _renewal(error: Exception) -> tuple[Any, list[str]]:
    made = scene()
    made.clock.now = await made.settle()
    made.cloud_provider.failures.append(error)
    await made.settle()
    return made.status().get("failedAttempts"), _reported(made)


async def _secret(error: Exception) -> tuple[Any, list[str]]:
    made = scene()
    made.clock.now = await made.settle()
    made.api.answers.append((f"PATCH {SECRET}", error))
    await made.settle()
    return made.status().get("failedAttempts"), _reported(made)


async def _read_back(error: Exception) -> tuple[Any, list[str]]:
    made = scene()
    await made.settle()
    made.put_grant(secret={"formats": ["ApiKey"]})
    made.api.answers.append((f"GET {SECRET}", error))
    await made.settle()
    return made.status().get("failedAttempts"), _reported(made)


def _in_the_journal(work: str) -> Callable[[Exception], Any]:
    async def run(error: Exception) -> tuple[Any, list[str]]:
        made = scene(bedrockShortTermKey=None, bedrockLongTermKey=_LONG)
        iam = _Failing(made.clock)
        made.cloud_provider.kept = iam
        if work != "create":
            iam.fails_at, iam.error = work, error
        else:
            made.cloud_provider.failures.append(error)
        for _ in range(6):
            await made.settle()
            if made.api.objects[_GRANT].get("status", {}).get("failedAttempts"):
                break
        return made.status().get("failedAttempts"), _reported(made)

    return run


class _Failing(SmallIam):
    """Raises in one of its works, for as long as there is an error."""

    fails_at: str = ""
    error: Exception | None = None

    async def prepare(self, known: frozenset[str], /) -> None:
        """Raises where it is to."""
        self._fail("prepare")
        await super().prepare(known)

    async def list_keys(self, known: frozenset[str], /) -> Any:
        """Raises where it is to."""
        self._fail("list_keys")
        return await super().list_keys(known)

    async def remove(self, key_ids: tuple[str, ...], /, *, and_holder: bool = False) -> Any:
        """Raises where it is to."""
        self._fail("remove")
        return await super().remove(key_ids, and_holder=and_holder)

    def _fail(self, work: str) -> None:
        if self.error is not None and self.fails_at == work:
            raise self.error


NOT_READY = ["Ready False", "Reconciling True"]
RENEWAL_FAILS = ["Ready True", "RenewalFailing True"]
BOUNDARIES: dict[str, tuple[Callable[[Exception], Any], list[list[str]]]] = {
    "the first key": (_first_key, [NOT_READY, ["Ready False", "Stalled True"]]),
    "a renewal": (_renewal, [RENEWAL_FAILS]),
    "the write of the Secret": (_secret, [RENEWAL_FAILS]),
    "the read of the Secret": (_read_back, [RENEWAL_FAILS]),
    "a finalizer or a listing": (_in_the_journal("list_keys"), [NOT_READY]),
    "the holder of the keys": (_in_the_journal("prepare"), [NOT_READY]),
    "the creation of a key": (_in_the_journal("create"), [NOT_READY]),
}


@pytest.mark.parametrize("boundary", BOUNDARIES)
async def test_every_exception_is_told_and_counted(boundary: str) -> None:
    """By conditions and `failedAttempts`; a renewal that fails leaves Ready as it was."""
    run, allowed = BOUNDARIES[boundary]
    wrong = []
    for error in _each():
        attempts, reported = await run(error)
        if attempts != 1 or reported not in allowed:
            wrong.append((type(error), attempts, reported))
    assert wrong == []


async def test_every_exception_of_a_source_is_told_and_counted() -> None:
    """Its grants wait for it, and it is tried again."""
    wrong = []
    for error in _each():
        made = scene()
        made.cloud_provider.failures.append(error)
        due = await made.sources.reconcile(("chat", "bedrock"))
        status = made.api.objects[f"{SOURCES}/bedrock"]["status"]
        if status.get("failedAttempts") != 1 or due is None:
            wrong.append((type(error), status, due))
    assert wrong == []


async def test_every_exception_of_a_probe_is_told() -> None:
    """The key is not published, and the probe is tried again."""
    wrong = []
    for error in _each():
        made = scene(probe={"mode": "Bedrock"})
        made.cloud_provider.answers.append(error)
        await made.settle()
        reported = _reported(made)
        if "ProbeFailing True" not in reported or SECRET in made.api.objects:
            wrong.append((type(error), reported))
    assert wrong == []


@pytest.mark.parametrize("request_", ["GET", "PATCH"])
async def test_every_exception_of_a_rollout_is_told_beside_the_key(request_: str) -> None:
    """Trouble with workloads is none of the key, and is tried again."""
    wrong = []
    for error in _of_the_cluster():
        made = await rolling("chat")
        await renew(made)
        made.api.answers.append((f"{request_} {APPS}", error))
        for _ in range(4):
            made.clock.now = max(made.clock.now, await made.settle() or made.clock.now)
            if "RolloutFailing True" in _reported(made):
                break
        passing = isinstance(error, ApiError) and (error.is_missing or error.is_conflict)
        if (
            _reported(made)[0] != "Ready True"
            or ("RolloutFailing True" not in _reported(made)) > passing
        ):
            wrong.append((type(error), _reported(made)))
    assert wrong == []


async def test_a_key_whose_write_may_have_succeeded_is_never_removed() -> None:
    """An answer that cannot be read says nothing of the Secret: the readers may have the key."""
    wrong = []
    for error in _each():
        made = scene(bedrockShortTermKey=None, bedrockLongTermKey=_LONG)
        iam = SmallIam(made.clock)
        made.cloud_provider.kept = iam
        made.api.after.append((f"PATCH {SECRET}", error))
        for _ in range(6):
            with contextlib.suppress(ConflictError):
                await made.looked_at()
            if SECRET in made.api.objects:
                break
        held = made.api.objects[SECRET]["metadata"]["annotations"]["keywright.dev/key-id"]
        # Those two are the API server's word that nothing was written.
        refused = isinstance(error, SecretExistsError) or (
            isinstance(error, ApiError) and error.status < 500
        )
        if held not in iam.held and not refused:
            wrong.append(type(error))
    assert wrong == []


@pytest.mark.long
async def test_a_deletion_gives_up_whatever_is_raised() -> None:
    """After so many tries the namespace is not held up any more, and the keys are named."""
    wrong = []
    for error in _each():
        made = scene(bedrockShortTermKey=None, bedrockLongTermKey=_LONG)
        iam = _Failing(made.clock)
        made.cloud_provider.kept = iam
        await _until_nothing_is_due(made)
        iam.fails_at, iam.error = "remove", error
        _delete(made)
        await _until_nothing_is_due(made, most=timedelta(hours=1))
        left = made.api.objects[_GRANT]["metadata"].get("finalizers")
        if left or ("Warning", "CredentialsOrphaned") not in made.api.events():
            wrong.append((type(error), made.status().get("failedAttempts")))
    assert wrong == []
    assert MIN_ATTEMPTS > 1


async def _until_nothing_is_due(made: Scene, *, most: timedelta = timedelta(0)) -> None:
    """Look until the next look is none, or further away than that."""
    for _ in range(60):
        try:
            due = await made.looked_at()
        except ConflictError:
            continue
        if due is None or due > made.clock.now + most:
            return
        made.clock.now = max(made.clock.now, due)
    raise AssertionError("it never settles")


def _delete(made: Scene) -> None:
    body = made.api.objects[_GRANT]
    gone = {
        "deletionTimestamp": "2026-11-22T12:00:00Z",
        "generation": body["metadata"]["generation"] + 1,
    }
    made.store.put_grant(made.api.put(GRANTS, {**body, "metadata": body["metadata"] | gone}))
