"""What flows ask of the cache of a route, in the manner of `foodco_storage.flows.effects`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from foodco_storage.flows.cached import Head, Looked
from foodco_storage.flows.effects import Body
from foodco_storage.flows.request import Flow, Request, Response


class Look:
    """Look a key up in the cache of a route. Sends back what was `foodco_storage.flows.cached.Looked`."""

    __slots__ = ("bucket", "key", "route")

    def __init__(self, route: str, bucket: str, key: str) -> None:
        self.route = route
        self.bucket = bucket
        self.key = key


class CachedBlocks:
    """Fetch blocks of an object of several from the cache. Sends back a list, None for each that is not at hand.

    Args:
        route: the route's name.
        head: the object's.
        first: number of the first block.
        last: number of the last one, included.
    """

    __slots__ = ("first", "head", "last", "route")

    def __init__(self, route: str, head: Head, first: int, last: int) -> None:
        self.route = route
        self.head = head
        self.first = first
        self.last = last


class Keep:
    """Keep an object, or blocks of it, in the cache.

    Args:
        route: the route's name.
        head: the object's.
        blocks: by number; of an object of one block that one.
        looked: what was known before it was asked for.
    """

    __slots__ = ("blocks", "head", "looked", "route")

    def __init__(self, route: str, head: Head, blocks: Mapping[int, bytes], looked: Looked) -> None:
        self.route = route
        self.head = head
        self.blocks = blocks
        self.looked = looked


class Forget:
    """What the cache keeps of a key is not what a store holds now."""

    __slots__ = ("bucket", "key", "route")

    def __init__(self, route: str, bucket: str, key: str) -> None:
        self.route = route
        self.bucket = bucket
        self.key = key


class PassOn:
    """Nothing is kept of what was asked for: who asks for it next needs to wait for nobody (`Alone`)."""

    __slots__ = ("bucket", "route", "topic")

    def __init__(self, route: str, bucket: str, topic: str) -> None:
        self.route = route
        self.bucket = bucket
        self.topic = topic


class KeepMissing:
    """Keep the answer that a key is not there.

    Args:
        route: the route's name.
        request: that was answered so.
        looked: what the cache said before it was asked.
        response: the error's.
    """

    __slots__ = ("looked", "request", "response", "route")

    def __init__(self, route: str, request: Request, looked: Looked, response: Response) -> None:
        self.route = route
        self.request = request
        self.looked = looked
        self.response = response


class Renew:
    """What the cache keeps of an object was found unchanged."""

    __slots__ = ("looked", "route")

    def __init__(self, route: str, looked: Looked) -> None:
        self.route = route
        self.looked = looked


class Alone:
    """Run a flow while nobody else runs one on the same topic; after another has ended it runs all the same.

    Sends back what it returned, throws what it raised.

    Args:
        route: the route's name.
        bucket: whose key it is about.
        topic: what it is about.
        flow: makes the flow.
    """

    __slots__ = ("bucket", "flow", "route", "topic")

    def __init__(self, route: str, bucket: str, topic: str, flow: Callable[[], Flow]) -> None:
        self.route = route
        self.bucket = bucket
        self.topic = topic
        self.flow = flow


class Hit:
    """Count a read that a cache answers. Sends back the body to hand out, where there is one.

    Args:
        route: the route's name.
        looked: what is answered.
        data: of the body; None for an answer without.
    """

    __slots__ = ("data", "looked", "route")

    def __init__(self, route: str, looked: Looked, data: bytes | None = None) -> None:
        self.route = route
        self.looked = looked
        self.data = data


class KeepAsRead:
    """Keep an object of several blocks in the cache as a caller reads it. Sends back the body to hand out.

    Args:
        route: the route's name.
        head: the object's.
        body: of the whole object.
        looked: what was known before it was asked for.
    """

    __slots__ = ("body", "head", "looked", "route")

    def __init__(self, route: str, head: Head, body: Body, looked: Looked) -> None:
        self.route = route
        self.head = head
        self.body = body
        self.looked = looked
