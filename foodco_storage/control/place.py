"""Where a route's control object and reports lie."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from foodco_storage.config import Route
from foodco_storage.errors import ConfigurationError, Problem

_WILDCARDS = frozenset("*?[")
_JSON = ".json"


@dataclass(frozen=True, slots=True)
class ControlPlace:
    """A route's corner of the reserved location on its primary.

    The route's name is part of the keys: whoever uses the route must call it by the same name.

    Args:
        route: the route's name in the configuration.
        bucket: what the primary calls the route's bucket.
        reserved_prefix: where the library's own objects lie in it.
    """

    route: str
    bucket: str
    reserved_prefix: str

    @property
    def prefix(self) -> str:
        """What all keys of the route begin with."""
        # A slash in a name would let one route's reports lie where another's are looked for.
        return f"{self.reserved_prefix}routes/{quote(self.route, safe='')}/"

    @property
    def control_key(self) -> str:
        """The control object's key."""
        return f"{self.prefix}control.json"

    def client_key(self, client: str) -> str:
        """The key of a client's report."""
        return f"{self.prefix}clients/{client}{_JSON}"

    def client_of(self, key: str) -> str | None:
        """Whose report a key is; None for any other key."""
        start = f"{self.prefix}clients/"
        client = key.removeprefix(start).removesuffix(_JSON)
        return client if client and key == self.client_key(client) else None


def place_of(name: str, route: Route) -> ControlPlace:
    """The place of a configured route.

    Raises:
        ConfigurationError: the route speaks for several buckets: no one of them is the place to look.
    """
    patterns = [route.bucket] if isinstance(route.bucket, str) else route.bucket
    if len(patterns) != 1 or _WILDCARDS & set(patterns[0]):
        message = "must name one bucket where the phase is held by lease: the control object lies in it"
        raise ConfigurationError([Problem(f"routes.{name}.bucket", message)])
    return ControlPlace(name, route.buckets.get(route.primary, patterns[0]), route.reserved_prefix)
