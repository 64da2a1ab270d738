"""The forms in which a client may request objects: whole, metadata only, or as a table."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from testbed.clusters.embedded.documents import Document, encode, metadata_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from testbed.clusters.embedded.resources import Resource
    from testbed.clusters.embedded.store import Record


class Form(enum.Enum):
    """The value of `as=` in the Accept header."""

    WHOLE = ""
    METADATA = "PartialObjectMetadata"
    METADATA_LIST = "PartialObjectMetadataList"
    TABLE = "Table"


def requested_form(accept: str) -> Form:
    """The first supported form of an Accept header."""
    if "as=" not in accept:
        return Form.WHOLE
    for choice in accept.split(","):
        parameters = dict(
            part.strip().partition("=")[::2] for part in choice.split(";")[1:] if "=" in part
        )
        try:
            form = Form(parameters.get("as", ""))
        except ValueError:
            continue
        if form is Form.WHOLE or parameters.get("v", "v1") == "v1":
            return form
    return Form.WHOLE


def _partial(document: Document) -> Document:
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata_of(document),
    }


def _without_kind(document: Document) -> Document:
    return {name: value for name, value in document.items() if name not in {"apiVersion", "kind"}}


class Presenter:
    """Serializes the objects of one resource in one form."""

    def __init__(self, resource: Resource, form: Form, *, include: str = "Metadata") -> None:
        self._resource = resource
        self._form = form
        self._include = include

    def _read(self, document: Document) -> Document:
        conversion = self._resource.conversion
        return conversion.read(document) if conversion else document

    def one(self, record: Record) -> bytes:
        """One object. Ages in tables change, so these are not cached."""
        match self._form:
            case Form.TABLE:
                return encode(self._table([record.document], str(record.version), head=True))
            case Form.METADATA | Form.METADATA_LIST:
                return record.form("metadata", lambda document: encode(_partial(document)))
            case Form.WHOLE if self._resource.conversion:
                return record.form(
                    self._resource.api_version, lambda document: encode(self._read(document))
                )
            case Form.WHOLE:
                return record.raw

    def event(self, kind: str, record: Record, *, first: bool) -> bytes:
        """One line of a watch; a table names its columns in the first."""
        if self._form is Form.TABLE:
            shown = self._table([record.document], str(record.version), head=first)
            return encode({"type": kind, "object": shown}) + b"\n"
        return b'{"type":"%s","object":%s}\n' % (kind.encode(), self.one(record))

    def bookmark(self, version: int, *, initial_end: bool) -> bytes:
        """A bookmark line."""
        metadata: Document = {"resourceVersion": str(version)}
        if initial_end:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        shown: Document
        match self._form:
            case Form.TABLE:
                shown = self._table([], str(version), head=False)
            case Form.METADATA | Form.METADATA_LIST:
                shown = _partial({"metadata": metadata})
            case Form.WHOLE:
                shown = {
                    "kind": self._resource.kind,
                    "apiVersion": self._resource.api_version,
                    "metadata": metadata,
                }
        return encode({"type": "BOOKMARK", "object": shown}) + b"\n"

    def many(self, records: Iterable[Record], metadata: Document) -> bytes:
        """A list."""
        if self._form is Form.TABLE:
            table = self._table([record.document for record in records], "", head=True)
            return encode({**table, "metadata": metadata})
        if self._form is Form.WHOLE:
            kind, version = self._resource.list_kind, self._resource.api_version
        else:
            kind, version = "PartialObjectMetadataList", "meta.k8s.io/v1"
        head = encode({"kind": kind, "apiVersion": version, "metadata": metadata})
        items = b",".join(self._item(record) for record in records)
        return b'%s,"items":[%s]}' % (head[:-1], items)

    def _item(self, record: Record) -> bytes:
        """An object in a list; built-in kinds omit their kind there."""
        if self._form is not Form.WHOLE or self._resource.custom:
            return self.one(record)
        name = f"item {self._resource.api_version}"
        return record.form(name, lambda document: encode(_without_kind(self._read(document))))

    def _table(self, documents: list[Document], version: str, *, head: bool) -> Document:
        columns = self._resource.columns
        definitions = [
            {
                "name": column.name,
                "type": column.type,
                "format": column.format,
                "description": column.description,
                "priority": column.priority,
            }
            for column in columns
        ]
        return {
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": {"resourceVersion": version},
            "columnDefinitions": definitions if head else None,
            "rows": [
                {"cells": [column.cell(document) for column in columns], **self._shown(document)}
                for document in documents
            ],
        }

    def _shown(self, document: Document) -> Document:
        match self._include:
            case "None":
                return {}
            case "Object":
                return {"object": self._read(document)}
            case _:
                return {"object": _partial(document)}
