"""One HTTP exchange with ARM through the SDK's own client: raw JSON and headers, no model.

Rules:
- No redirect is followed, no cookie kept, no .netrc read, no provider registered, nothing retried, nothing logged.
- TLS certificates are always verified; plain http is only for an ARM on this machine.
- A body is read up to `max_body` bytes and up to the deadline, and no further; an answer that comes byte by byte, in its
  headers or compressed, ends there too (timed_connections).
- Whatever goes wrong on the way is a Failure with a cause; only errors of the sign-in are raised.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from driftguard.adapters.readers.arm_answers import Answer, Failure
from driftguard.adapters.readers.arm_credential import credential_for
from driftguard.adapters.readers.arm_options import CLOUDS_OF_ARM, ArmOptions
from driftguard.adapters.timed_connections import Times, timed_session
from driftguard.flow.ports import Clock
from driftguard.flow.reading import Cause

if TYPE_CHECKING:
    from azure.core import AzureClouds
    from azure.mgmt.resource.resources import ResourceManagementClient

_ANY_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"  # the client wants one; our requests name their own
_BLOCK_SIZE = 65_536


class ArmTransport:
    """Sends GETs over one connection pool with one sign-in. Safe across threads."""

    def __init__(self, options: ArmOptions, clock: Clock, connections: int) -> None:
        self._options = options
        self._clock = clock
        self._connections = connections
        self._credential = credential_for(options, clock)
        self._times = Times(options.read_timeout)
        self._lock = threading.RLock()  # the client is made with the base URL, which takes it too
        self._sdk: ResourceManagementClient | None = None

    @property
    def base_url(self) -> str:
        """Scheme, host and port of ARM, without a last slash."""
        if self._options.endpoint is not None:
            return self._options.endpoint.rstrip("/")
        with self._lock:
            from azure.mgmt.core.tools import get_arm_endpoints

            return str(get_arm_endpoints(self._cloud())["resource_manager"]).rstrip("/")

    def send(self, url: str, deadline: float) -> Answer | Failure:
        """One GET of a whole URL, ended at `deadline` (monotonic seconds). Raises Unavailable where no token is had."""
        client = self._client()  # first: it imports the SDK under the lock, and half an import is an error elsewhere
        from azure.core.exceptions import (
            ServiceRequestError,
            ServiceRequestTimeoutError,
            ServiceResponseError,
            ServiceResponseTimeoutError,
        )
        from azure.core.rest import HttpRequest
        from urllib3.exceptions import HTTPError, ReadTimeoutError

        left = deadline - self._clock.monotonic()
        if left <= 0:
            return out_of_time()
        try:
            with (
                self._times.within(left),
                client.send_request(
                    HttpRequest("GET", url, headers={"Accept": "application/json"}),
                    stream=True,
                    connection_timeout=min(self._options.connect_timeout, left),
                    read_timeout=min(self._options.read_timeout, left),
                    **self._rules_for(url),
                ) as response,
            ):
                return self._received(response, deadline)
        except (ServiceRequestTimeoutError, ServiceResponseTimeoutError):
            return self._timed_out(left, deadline)
        except (ServiceRequestError, ServiceResponseError) as error:
            if self._clock.monotonic() >= deadline:
                return out_of_time()
            inner = error.inner_exception or error
            return Failure(Cause.NO_CONNECTION, f"no connection to ARM ({type(inner).__name__})")
        except ReadTimeoutError:
            return self._timed_out(left, deadline)
        except HTTPError:  # it broke off, or what came cannot be decompressed
            return Failure(Cause.NOT_JSON, "only a part of the answer came")
        except ValueError:  # the SDK decodes a claims challenge of a 401, whose text may be anything
            return Failure(Cause.REFUSED, "401 with a challenge that cannot be read")

    def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        with self._lock:
            sdk, self._sdk = self._sdk, None
        if sdk is not None:
            sdk.close()

    def _received(self, response: Any, deadline: float) -> Answer | Failure:
        chunks, size = [], 0
        raw = response.internal_response.raw
        # What there is, not a block: a block of an answer that comes byte by byte takes for ever.
        while chunk := raw.read1(_BLOCK_SIZE, decode_content=True):
            size += len(chunk)
            if size > self._options.max_body:
                return Failure(Cause.TOO_LARGE, f"the answer is larger than {self._options.max_body} bytes")
            if self._clock.monotonic() > deadline:
                return out_of_time()
            chunks.append(chunk)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, headers, b"".join(chunks))

    def _timed_out(self, left: float, deadline: float) -> Failure:
        # Where less was left than one answer may take, it is what was left that ended.
        if left <= self._options.read_timeout or self._clock.monotonic() >= deadline:
            return out_of_time()
        return Failure(Cause.TIMEOUT, f"no answer within {self._options.read_timeout:g} s")

    def _rules_for(self, url: str) -> dict[str, Any]:
        # Told per request, as the SDK wants it: its bearer token policy refuses plain http otherwise.
        return {"enforce_https": False} if self._options.endpoint and url.startswith("http://") else {}

    def _cloud(self) -> AzureClouds:
        from azure.core import AzureClouds

        return AzureClouds[CLOUDS_OF_ARM[self._options.cloud].sdk_name]

    def _client(self) -> ResourceManagementClient:
        with self._lock:
            if self._sdk is None:
                self._sdk = self._new_client()
            return self._sdk

    def _new_client(self) -> ResourceManagementClient:
        from azure.core.pipeline.policies import RequestIdPolicy, UserAgentPolicy
        from azure.core.pipeline.transport import RequestsTransport
        from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy
        from azure.mgmt.core.tools import get_arm_endpoints
        from azure.mgmt.resource.resources import ResourceManagementClient

        scopes = get_arm_endpoints(self._cloud())["credential_scopes"]
        return ResourceManagementClient(
            self._credential,
            _ANY_SUBSCRIPTION,
            self.base_url,
            cloud_setting=self._cloud(),
            # The whole list: the SDK's policies for redirects, retries, logging and provider registration stay out.
            policies=[
                RequestIdPolicy(),
                UserAgentPolicy("driftguard"),
                ARMChallengeAuthenticationPolicy(self._credential, *scopes),
            ],
            transport=RequestsTransport(
                session=timed_session(
                    self._times, self._connections, on_this_machine=self._options.endpoint is not None
                ),
                connection_data_block_size=_BLOCK_SIZE,
            ),
        )


def out_of_time() -> Failure:
    """The failure of a read for which no time is left."""
    return Failure(Cause.OUT_OF_TIME, "the time for this read was over")
