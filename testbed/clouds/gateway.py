"""The entry point of all services of a cloud: dispatch by host, faults, errors, the call log."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import uuid
from typing import TYPE_CHECKING

from testbed.clouds.calls import Call
from testbed.clouds.errors import CloudError
from testbed.clouds.wire import Entry, Request, Response, json_response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from testbed.clouds.calls import CallLog
    from testbed.clouds.clock import Clock
    from testbed.clouds.faults import Faults
    from testbed.clouds.wire import Service

_log = logging.getLogger(__name__)

# of a damaged response: enough to leave an element or a bracket open
_CUT_BYTES = 10


class Gateway:
    """Answers any request; an unknown host gets 404.

    `service_of` returns the name of the service of a host, None if there is none;
    `request_id_header` is the vendor's header for the request ID.
    """

    def __init__(
        self,
        *,
        services: Mapping[str, Service],
        service_of: Callable[[str], str | None],
        request_id_header: str,
        clock: Clock,
        faults: Faults,
        journal: CallLog,
    ) -> None:
        self._services = services
        self._service_of = service_of
        self._request_id_header = request_id_header
        self._clock = clock
        self._faults = faults
        self._journal = journal

    async def answer(self, request: Request) -> Response:
        """The response of the service that the host names."""
        name = self._service_of(request.host)
        if name is None:
            return json_response({"message": f"{request.host} is not emulated"}, status=404)
        service = self._services[name]
        action = service.action(request)
        entry = Entry()
        try:
            response = await self._answer(request, service=service, action=action, entry=entry)
        except CloudError as error:
            entry.error_code = error.code
            response = service.refuse(request, error)
        except Exception:  # an error in the emulator itself is reported as such
            _log.exception("%s %s", service.name, action)
            entry.error_code = "InternalFailure"
            failed = CloudError(entry.error_code, "The emulator failed; see its log.", status=500)
            response = service.refuse(request, failed)
        self._journal.add(
            Call(
                time=self._clock.now(),
                service=service.name,
                action=action,
                principal=entry.principal,
                host=request.host,
                status=response.status,
                error_code=entry.error_code,
                parameters=entry.parameters,
                session=entry.session,
                lost=response.lost,
            )
        )
        headers = {
            self._request_id_header: str(uuid.uuid4()),
            **self._clock.date_header(request.host),
            **response.headers,
        }
        return dataclasses.replace(response, headers=headers)

    async def _answer(
        self, request: Request, *, service: Service, action: str, entry: Entry
    ) -> Response:
        await asyncio.sleep(self._faults.delay_seconds(service.name, action))
        failure = self._faults.refused(service.name, action)
        if failure is not None:
            raise failure
        response = await service.answer(request, action=action, entry=entry)
        if self._faults.damaged(service.name, action):
            return dataclasses.replace(response, body=response.body[:-_CUT_BYTES])
        if self._faults.lost(service.name, action):
            return dataclasses.replace(response, lost=True)
        return response
