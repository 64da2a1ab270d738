"""A bulk import: many API keys, read from a file in a Secret and created by ImportApiKeys.

An import sets no tags, so its keys are identified by their description until they have tags. A
value is imported once: an existing key of the grant, by tag or description, is used unchanged. So
all of it is idempotent: neither a crash nor a lost response creates duplicates.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from keywright.clouds.aws.api_gateway import api_key, key_file, usage_plans
from keywright.clouds.aws.api_gateway.api_key import Key
from keywright.clouds.aws.api_gateway.client import GatewayClient
from keywright.clouds.aws.api_gateway.errors import file_invalid, rows_refused
from keywright.clouds.aws.api_gateway.key_file import KeyFile, Row, SkippedRow
from keywright.clouds.interfaces import Intent, IssuedKey, whole_seconds
from keywright.clouds.owner_tags import IMPORT_TAG, INTENT_TAG
from keywright.clouds.redaction import redacted
from keywright.secrets.credential import Credential

# The start of a warning of API Gateway about a single row.
_ROW: Final = re.compile(r"row (\d+)\W*", re.IGNORECASE)
_MAX_REPORTED: Final = 20
# Each is compared with every value.
_MAX_WARNINGS: Final = 200


@dataclass(frozen=True, slots=True)
class _Import:
    """One import: its name, the plans of all its keys, and the import that is in use so far."""

    name: str
    plans: tuple[str, ...]
    in_use: str | None


@dataclass(frozen=True, slots=True)
class CsvImport:
    """Creates the keys of a file."""

    keys: GatewayClient

    async def check(self) -> None:
        """Raise Failure if the file cannot be read, or has rows that must not be skipped."""
        self._refuse((await self._file()).left_out)

    async def make(self, intent: Intent) -> IssuedKey:
        """Create or reuse all keys of the file, and add them to their plans."""
        keys, now = self.keys, whole_seconds(self.keys.context.clock())
        file = await self._file()
        plans = await keys.plans()
        kept = keys.own_name(intent.keep or "")
        this = _Import(
            name=kept or f"import-{intent.name}",
            plans=plans,
            in_use=keys.own_name(intent.in_use or ""),
        )
        rows, left_out = await keys.run(lambda client: self._partition_rows(client, file, plans))
        left_out = (*file.left_out, *left_out)
        self._refuse(left_out)
        found = await keys.run(lambda client: self._found(client, rows))
        new = tuple(row for row in rows if row.name not in found)
        if new:
            answer = await keys.run(lambda client: self._import(client, new, this), attempts=1)
            found = await keys.run(lambda client: self._found(client, rows))
            warnings = (answer.get("warnings") or [])[:_MAX_WARNINGS]
            left_out += await asyncio.to_thread(not_imported, new, found=found, warnings=warnings)
        rows = tuple(row for row in rows if row.name in found)
        if not rows:
            raise rows_refused([str(row) for row in left_out][:_MAX_REPORTED], none=True)
        imported = frozenset(row.name for row in new)
        await keys.run(
            lambda client: self._tag_and_attach(client, rows, found, this, imported=imported)
        )
        if this.name != this.in_use:
            # Readers may have the keys of a kept import: a row that is skipped now keeps its key.
            spared = file.rows if kept else rows
            await keys.run(lambda client: self._drop(client, spared, this))
        return IssuedKey(
            Credential(
                values={row.name: row.value for row in rows},
                region=keys.region,
                account_id=keys.account,
                key_id=keys.key_id(this.name),
                issued_at=now,
                expires_at=None,
            ),
            warning=_import_summary(left_out, of=len(rows) + len(left_out)),
        )

    async def _file(self) -> KeyFile:
        assert self.keys.key.imports is not None
        field, reference = self.keys.key.imports
        text = await self.keys.context.secrets.value(
            namespace=self.keys.grant.namespace,
            name=reference.name,
            key=reference.key,
            field=field,
        )
        try:
            # A large file takes tens of milliseconds, too long for the event loop.
            return await asyncio.to_thread(key_file.read, text.reveal())
        except key_file.KeyFileError as error:
            raise file_invalid(str(error), field=field) from None

    def _refuse(self, left_out: Iterable[SkippedRow]) -> None:
        reported = [str(row) for row in left_out]
        csv_from = self.keys.key.csv_from
        if reported and csv_from is not None and csv_from.fail_on_warnings:
            raise rows_refused(reported[:_MAX_REPORTED], none=False)

    # ---- run in a thread

    def _partition_rows(
        self, client: Any, file: KeyFile, plans: tuple[str, ...]
    ) -> tuple[tuple[Row, ...], tuple[SkippedRow, ...]]:
        """Separate the rows whose values and plans are available from the others."""
        every = {plan["id"]: plan for plan in usage_plans.list_plans(client)}
        theirs = {
            key["value"]: key["id"]
            for key in api_key.list_keys(client, values=True)
            if not self.keys.covers(key)
        }
        rows: list[Row] = []
        left_out: list[SkippedRow] = []
        for row in file.rows:
            wanted = tuple(dict.fromkeys((*plans, *row.plans)))
            why = usage_plans.trouble(wanted, every=every)
            if row.value.reveal() in theirs:
                key_id = theirs[row.value.reveal()]
                why = f"its key is that of API key {key_id}, which was not made for this grant"
            if why:
                left_out.append(SkippedRow(row.number, row.name, why))
            else:
                rows.append(replace(row, plans=wanted))
        return tuple(rows), tuple(left_out)

    def _found(self, client: Any, rows: tuple[Row, ...]) -> dict[str, Key]:
        """The existing keys of the grant, by the names of their rows."""
        names = {row.value.reveal(): row.name for row in rows}
        return {
            names[key["value"]]: key
            for key in api_key.list_keys(client, values=True)
            if key["value"] in names and self.keys.covers(key)
        }

    def _import(self, client: Any, rows: tuple[Row, ...], this: _Import) -> Any:
        mark = f"{self.keys.mark.description} {this.name}"
        enabled = self.keys.key.enabled
        marked = [replace(row, description=mark, enabled=row.enabled and enabled) for row in rows]
        csv_from = self.keys.key.csv_from
        return client.import_api_keys(
            body=key_file.write(marked).encode(),
            format="csv",
            failOnWarnings=csv_from is not None and csv_from.fail_on_warnings,
        )

    def _tag_and_attach(
        self,
        client: Any,
        rows: tuple[Row, ...],
        found: dict[str, Key],
        this: _Import,
        *,
        imported: frozenset[str],
    ) -> None:
        """Update the keys to their rows, and tag them as those of this import.

        The keys of `imported` rows were added to their plans by the call that created them.
        """
        tags = api_key.wanted_tags(self.keys.key, grant=self.keys.grant)
        for row in rows:
            key = found[row.name]
            new = self._is_of(key, this)
            wanted = {
                "name": row.name,
                "description": row.description,
                "customerId": self.keys.key.customer_id or "",
                "enabled": row.enabled and self.keys.key.enabled,
            }
            own = {IMPORT_TAG: this.name} | ({INTENT_TAG: this.name} if new else {})
            if row.name not in imported:
                held = api_key.plans_of(client, key["id"])
                api_key.join(client, key["id"], plans=row.plans, held=held)
            # The description is removed last: until then it identifies the owner of the key.
            arn = self.keys.arn(key["id"])
            api_key.tag(client, key, tags={**tags, **own}, arn=arn)
            api_key.change(client, key, wanted=wanted)

    def _drop(self, client: Any, spared: tuple[Row, ...], this: _Import) -> None:
        """Drop the keys of this import that are of none of the `spared` rows.

        It had taken them up by an earlier file.
        """
        values = {row.value.reveal() for row in spared}
        for key in api_key.list_keys(client, values=True):
            taken = api_key.import_of(key, mark=self.keys.mark) == this.name
            if not taken or key["value"] in values or not self.keys.covers(key):
                continue
            if self._is_of(key, this) or this.in_use is None:
                # Created by this import: no client has the key.
                api_key.delete(client, key["id"])
            else:
                tags = {IMPORT_TAG: this.in_use}
                client.tag_resource(resourceArn=self.keys.arn(key["id"]), tags=tags)

    def _is_of(self, key: Key, this: _Import) -> bool:
        """Whether the key was created by this import, and not only taken over."""
        made_by = (key.get("tags") or {}).get(INTENT_TAG)
        if made_by is not None:
            return bool(made_by == this.name)
        return api_key.import_of(key, mark=self.keys.mark) == this.name


def not_imported(
    rows: Iterable[Row], *, found: dict[str, Key], warnings: Iterable[str]
) -> tuple[SkippedRow, ...]:
    """The rows that API Gateway has not imported, each with the warning that names it, if any.

    The warnings are shown without any word as long as a value.
    """
    rows = tuple(rows)
    values = [row.value.reveal() for row in rows]
    by_row: dict[int, str] = {}
    others: list[str] = []
    for warning in warnings:
        text = str(warning)
        for value in values:
            text = text.replace(value, "<removed>")
        match = _ROW.match(text)
        if match and 0 < int(match[1]) <= len(rows):
            by_row[int(match[1])] = redacted(text[match.end() :])
        else:
            others.append(redacted(text))
    reported = "; ".join(others) or "API Gateway has left it out without a word"
    return tuple(
        SkippedRow(row.number, row.name, by_row.get(index, reported))
        for index, row in enumerate(rows, start=1)
        if row.name not in found
    )


def _import_summary(left_out: tuple[SkippedRow, ...], *, of: int) -> str:
    if not left_out:
        return ""
    reported = "; ".join(
        str(row) for row in sorted(left_out, key=lambda row: row.number)[:_MAX_REPORTED]
    )
    more = f"; and {len(left_out) - _MAX_REPORTED} more" if len(left_out) > _MAX_REPORTED else ""
    return f"{len(left_out)} of {of} rows were left out: {reported}{more}."
