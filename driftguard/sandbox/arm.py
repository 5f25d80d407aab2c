"""ARM's front door: who may call, and which part answers. Knows no HTTP; `server.py` brings it.

Rules:
- No token or an unknown one: 401. A subscription of another tenant than the token's: 401 with the issuers.
- An unknown subscription: 404. Every call names an api-version.
- One lock around every call: readers see a write with all its side effects, or none of it.
- What is due by the virtual clock (provisioning) is settled before a call is answered.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from driftguard.errors import WrongUse
from driftguard.flow.resource import ResourceRef, parse_ref
from driftguard.sandbox import answers, deployments, lists
from driftguard.sandbox.activity_log import ActivityLog
from driftguard.sandbox.actors import Actor
from driftguard.sandbox.answers import Answer, Refused, Request, error
from driftguard.sandbox.clock import VirtualClock
from driftguard.sandbox.faults import Faults
from driftguard.sandbox.providers import Providers
from driftguard.sandbox.resources import Resources
from driftguard.sandbox.state import State

Json = Any  # what json.loads gives
_SUBSCRIPTION = re.compile(r"/subscriptions/([^/]+)(/.*)?\Z", re.IGNORECASE)


class Arm:
    """All of ARM. `tenants`: subscription id -> tenant id; `home`: the tenant of every token."""

    def __init__(self, clock: VirtualClock, tenants: Mapping[str, str], home: str, *, page: int = lists.PAGE) -> None:
        self.clock, self.tenants, self.home, self.page = clock, dict(tenants), home, page
        self.lock = threading.RLock()
        self.log, self.faults, self.providers, self.state = ActivityLog(), Faults(), Providers(), State()
        self.resources = Resources(self.state, self.log, self.providers, home)
        self.address = "https://management.azure.com"

    def answer(self, request: Request, actor: Actor | None) -> Answer:
        """The answer to a call; never raises for a call that is wrong."""
        with self.lock:
            now = self.clock.now()
            self.resources.finish(now)
            try:
                return self._with_address(self._routed(request, self._admitted(request, actor), now))
            except Refused as refused:
                return refused.answer

    def _admitted(self, request: Request, actor: Actor | None) -> Actor:
        """The actor, after authentication and the check of the subscription."""
        if actor is None:
            raise self._unknown_caller(request)
        match = _SUBSCRIPTION.match(request.path)
        if match:
            tenant = self.tenants.get(match[1].lower())
            if tenant is None:
                raise answers.subscription_not_found(match[1])
            if tenant != self.home:
                raise _wrong_tenant(self.home, tenant)
        return actor

    def _unknown_caller(self, request: Request) -> Refused:
        authority = f"https://login.windows.net/{self.home}"
        if not request.headers.get("authorization"):
            message = "Authentication failed. The 'Authorization' header is missing."
            return answers.unauthenticated("AuthenticationFailed", message, authority)
        return answers.unauthenticated("InvalidAuthenticationToken", "The access token is invalid.", authority)

    def _routed(self, request: Request, actor: Actor, now: datetime) -> Answer:
        if request.method in ("GET", "HEAD"):
            for pattern, route in _ROUTES:
                if match := pattern.match(request.path):
                    return route(self, request, match, now)
        return self._resource(request, actor, now)

    def _resource(self, request: Request, actor: Actor, now: datetime) -> Answer:
        """A call of one resource, of the list that its path names, or of an action on it."""
        if request.method == "POST":
            path, _, action = request.path.rpartition("/")
            return self.resources.act(request, _ref(path), action, actor, now)
        ref = _ref_or_none(request.path)
        if ref is None and request.method in ("GET", "HEAD"):
            return self._list(request, _ref(request.path.rstrip("/") + "/any"))
        ref = ref or _ref(request.path)
        if request.method in ("GET", "HEAD"):
            return self.resources.get(request, ref)
        if request.method == "PUT" and ref.type.lower() == deployments.TYPE:
            return deployments.deploy(self.resources, self.faults, request, ref, actor, now)
        if request.method in ("PUT", "PATCH", "DELETE") and ref.type != "Microsoft.Resources/subscriptions":
            return self.resources.write(request, ref, actor, now)
        raise error(405, "MethodNotAllowed", f"The method {request.method} is not allowed.", gateway=True)

    def _list(self, request: Request, any_of_it: ResourceRef) -> Answer:
        self.providers.check(any_of_it.type, request.api_version)
        return Answer(200, lists.of_type(self.state, any_of_it, request.api_version))

    def _generic_list(self, request: Request, match: re.Match[str], now: datetime) -> Answer:
        self.providers.check_form(request.api_version)
        scope = match[1].lower()
        if "/resourcegroups/" in scope and scope not in self.state.records:
            raise answers.group_not_found(scope.rpartition("/")[2])
        address = self._again(request, "$skiptoken")
        return Answer(200, lists.generic(self.state, scope, request, now, address, self.page))

    def _events(self, request: Request, match: re.Match[str], now: datetime) -> Answer:
        self.providers.check("microsoft.insights/eventtypes", request.api_version)
        return Answer(200, self.log.query(request, match[1].lower(), now, self._again(request, "$skipToken")))

    def _operation(self, request: Request, match: re.Match[str], now: datetime) -> Answer:
        until = self.resources.operations.get(match[1].lower())
        if until is None:
            raise error(404, "NotFound", f"The operation '{match[1]}' was not found.")
        return Answer(200, {"status": "Succeeded" if until <= now else "InProgress"})

    def _deployment_operations(self, request: Request, match: re.Match[str], now: datetime) -> Answer:
        ref = _ref(match[1])
        self.providers.check(ref.type, request.api_version)
        return deployments.operations_of(self.resources, ref)

    def _provider_list(self, request: Request, match: re.Match[str], now: datetime) -> Answer:
        self.providers.check_form(request.api_version)
        return Answer(200, {"value": self.providers.listed(match[1])})

    def _provider(self, request: Request, match: re.Match[str], now: datetime) -> Answer:
        self.providers.check_form(request.api_version)
        return Answer(200, self.providers.one(match[1], match[2]))

    def _subscription(self, request: Request, match: re.Match[str], now: datetime) -> Answer:
        self.providers.check_form(request.api_version)
        return Answer(200, _subscription(match[1].lower(), self.home))

    def _subscriptions(self, request: Request, match: re.Match[str], now: datetime) -> Answer:
        self.providers.check_form(request.api_version)
        own = [_subscription(it, tenant) for it, tenant in self.tenants.items() if tenant == self.home]
        return Answer(200, {"value": own})

    def _again(self, request: Request, token: str) -> str:
        """The address of the same call, to which a page token is added."""
        query = {name: value for name, value in request.query.items() if name.lower() != token.lower()}
        return f"{self.address}{quote(request.path)}?{urlencode(query, quote_via=quote, safe='$')}"

    def _with_address(self, answer: Answer) -> Answer:
        path = answer.headers.get("Azure-AsyncOperation")
        return answer.with_headers({"Azure-AsyncOperation": self.address + path}) if path else answer


Route = Callable[[Arm, Request, "re.Match[str]", datetime], Answer]
_ROUTES: tuple[tuple[re.Pattern[str], Route], ...] = tuple(
    (re.compile(pattern + r"/?\Z", re.IGNORECASE), route)
    for pattern, route in (
        (r"/subscriptions", Arm._subscriptions),
        (r"/subscriptions/([^/]+)", Arm._subscription),
        (r"/subscriptions/([^/]+)/providers", Arm._provider_list),
        (r"/subscriptions/([^/]+)/providers/([^/]+)", Arm._provider),
        (r"(/subscriptions/[^/]+)/resources", Arm._generic_list),
        (r"(/subscriptions/[^/]+/resourcegroups/[^/]+)/resources", Arm._generic_list),
        (r"/subscriptions/([^/]+)/providers/Microsoft\.Insights/eventtypes/management/values", Arm._events),
        (r"/subscriptions/[^/]+/providers/[^/]+/locations/[^/]+/operations/([^/]+)", Arm._operation),
        (r"(/.+/providers/Microsoft\.Resources/deployments/[^/]+)/operations", Arm._deployment_operations),
    )
)


def _ref_or_none(path: str) -> ResourceRef | None:
    try:
        return parse_ref(path)
    except WrongUse:
        return None


def _ref(path: str) -> ResourceRef:
    try:
        return parse_ref(path)
    except WrongUse as refused:
        raise error(400, "InvalidRequestUri", refused.message, gateway=True) from refused


def _subscription(subscription: str, tenant: str) -> dict[str, Json]:
    return {
        "id": f"/subscriptions/{subscription}",
        "subscriptionId": subscription,
        "tenantId": tenant,
        "displayName": "Sandbox",
        "state": "Enabled",
        "subscriptionPolicies": {"locationPlacementId": "Public_2014-09-01", "quotaId": "PayAsYouGo_2014-09-01"},
        "authorizationSource": "RoleBased",
    }


def _wrong_tenant(home: str, tenant: str) -> Refused:
    authority = f"https://login.windows.net/{tenant}"
    message = (
        f"The access token is from the wrong issuer 'https://sts.windows.net/{home}/'. It must match the tenant "
        f"'https://sts.windows.net/{tenant}/' associated with this subscription. Please use the authority (URL) "
        f"'{authority}' to get the token. Note, if the subscription is transferred to another tenant there is no "
        "impact to the services, but information about new tenant could take time to propagate (up to an hour). "
        "If you just transferred your subscription and see this error message, please try back later."
    )
    return answers.unauthenticated("InvalidAuthenticationTokenTenant", message, authority)
