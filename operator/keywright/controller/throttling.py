"""Limit the keys of a throttled cloud account to two workers.

They delay no other key. Within an account, namespaces take turns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from keywright.controller.fairness import FairQueue, Work
from keywright.controller.key_runner import KeyRunner
from keywright.controller.queue import DelayingQueue

_WORKERS_OF_AN_ACCOUNT = 2


def not_throttled(_: str) -> None:
    """No key is throttled."""


@dataclass(slots=True)
class _Account:
    """The waiting keys of one account, and the number of its workers."""

    waiting: FairQueue
    busy: int = 0


class ThrottledAccounts:
    """The accounts that are throttled now. `account_of` returns that of a key, None for none."""

    def __init__(
        self,
        account_of: Callable[[str], str | None],
        *,
        queue: DelayingQueue,
        runner: KeyRunner,
    ) -> None:
        self.account_of = account_of
        self._queue = queue
        self._runner = runner
        self._accounts: dict[str, _Account] = {}

    async def run(
        self,
        name: str,
        work: Work,
        *,
        take: Callable[[Work], None],
        may_work: Callable[[], bool],
    ) -> None:
        """Run the work, or leave it to the account's workers; then run what waits there.

        `take` assigns further work to this worker, `may_work` says whether it may begin any.
        """
        account = self._accounts.get(name)
        if account is None:
            account = self._accounts[name] = _Account(self._queue.waiting())
        if account.busy >= _WORKERS_OF_AN_ACCOUNT:
            account.waiting.push(work.key)
            return
        account.busy += 1
        try:
            await self._run(account, work)
            while may_work() and (key := account.waiting.peek_due()) is not None:
                if self.account_of(key) != name:
                    break
                found = account.waiting.pop()
                assert found is not None
                work = found
                take(work)
                await self._run(account, work)
        finally:
            account.busy -= 1
            if not account.busy or self.account_of(work.key) is None:
                while (key := account.waiting.pop_due()) is not None:
                    self._runner.give_back(key)
            if not account.busy:
                self._accounts.pop(name, None)

    async def _run(self, account: _Account, work: Work) -> None:
        account.waiting.started(work.namespace)
        try:
            await self._runner.run_to_completion(work.key)
        finally:
            account.waiting.finished(work.namespace)
