"""A session to talk to in tests: frames as Python values, actions that can be compared."""

import itertools
import json
from dataclasses import fields, is_dataclass

from ocpp_rpc_core import events as e
from ocpp_rpc_core.actions import SendText
from ocpp_rpc_core.config import Options
from ocpp_rpc_core.errors import RPCError
from ocpp_rpc_core.router import Router
from ocpp_rpc_core.session import Session
from ocpp_rpc_core.validation import create_validator

NUMBER = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


def text(*frame):
    """A frame as JSON, the way sessions write it."""
    return json.dumps(frame, separators=(",", ":"))


def sent(*frame):
    """The action that sends a frame."""
    return SendText(text(*frame))


def seen(value):
    """The same value with errors that compare equal when they say the same."""
    if isinstance(value, RPCError):
        return type(value), value.code, value.message, seen(value.details)
    if isinstance(value, BaseException):
        return type(value), str(value)
    if isinstance(value, list):
        return [seen(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return type(value), *((field.name, seen(getattr(value, field.name))) for field in fields(value))
    return value


def number_validator(protocol):
    """Strict about `Count`: params and result need an integer `n`."""
    kinds = ("req", "conf", "send")
    return create_validator(protocol, [{"$id": f"urn:Count.{kind}", **NUMBER} for kind in kinds])


def options(protocol="ocpp1.6", **settings):
    """Options whose message ids are "1", "2", and so on."""
    settings = {"new_message_id": map(str, itertools.count(1)).__next__, **settings}
    return Options(entropy=bytes, protocols=[protocol] if protocol else [], **settings)


def strict(protocol="ocpp1.6", **settings):
    """Options with strict mode on."""
    return options(protocol, strict_mode=True, strict_mode_validators=[number_validator(protocol)], **settings)


class Desk:
    """A session with handlers for `Count` and `Heartbeat`, open unless `protocol` is `...`."""

    def __init__(self, protocol="ocpp1.6", *, wanted=(), hold=False, opts=None, **settings):
        self.router = Router()
        for method in ("Count", "Heartbeat"):
            self.router.add(method, f"handler of {method}")
        known = "ocpp1.6" if protocol is ... else protocol
        self.options = opts or options(known, **settings)
        self.session = Session(self.options, self.router, wanted, hold=hold)
        if protocol is not ...:
            assert self.tell(e.SessionOpened(protocol)) == []

    def tell(self, *told, now=0.0):
        """All that is to be done about these events, errors comparable."""
        return [seen(action) for event in told for action in self.session.handle(event, now)]

    def hear(self, *frame, now=0.0):
        """All that is to be done about a frame of the peer's."""
        return self.tell(e.TextReceived(text(*frame)), now=now)

    def call(self, token, method="Heartbeat", params=None, *, now=0.0, **more):
        """All that is to be done about a call of ours."""
        return self.tell(e.CallRequested(token, method, params or {}, **more), now=now)
