"""What the pages made by `generate_api` say beyond signatures and docstrings."""

FOR_DRIVERS = frozenset(
    {
        *("connection", "feed", "new_bell", "notify", "router", "scope", "serve", "serves"),
        *("arrived", "client_options", "decide", "decided", "done", "gone"),
        *("is_welcomed", "judge", "left", "welcome", "welcomed", "attempt", "guard", "visit"),
    }
)
"""What is public for those who write adapters, and no business of users."""
SHORT = {
    "S": "RPCServerClient",
    "N": "Event",
    "H": "Handler",
    "AuthT": "Callback",
    "OnClientT": "Callback",
    "Timeout": "float | None",
}
"""Names in annotations, and what they are called on the pages."""

Raised = dict[str, str]
OPTIONS_RAISE = {"TypeError": "an option does not exist.", "ValueError": "an option has an impossible value."}
NOT_CALLABLE = {"TypeError": "what is given is no method name, or cannot be called."}
RAISES: dict[str, Raised] = {
    "RPCServer": {**OPTIONS_RAISE},
    "RPCClient": {**OPTIONS_RAISE},
    "client.send": {"RPCFrameworkError": "the subprotocol has no SEND."},
    "client.send_raw": {
        "NotConnected": "there is no connection, or it is closing.",
        "ValueError": "the text cannot be encoded.",
    },
    "server.handle": NOT_CALLABLE,
    "client.handle": NOT_CALLABLE,
}
"""What is raised besides what the docstring says."""
ATTRIBUTES: dict[str, dict[str, tuple[str, str]]] = {
    "Listener": {
        "url": ("str", "What clients connect to, without the identity."),
        "port": ("int | None", "The TCP port; None for a Unix socket."),
    },
    "RPCServerClient": {"session": ("Any", "What the authentication callback accepted the client with.")},
    "InboundCall": {
        "method": ("str", "The name of the method."),
        "params": ("Any", "The parameters: usually a `dict`."),
        "message_id": ("str", "The id that the peer gave the call."),
        "client": ("RPCClient | RPCServerClient", "The connection it came on; call it back if you like."),
    },
    "CloseInfo": {
        "code": ("int", "The close code; 1006 if the peer's goodbye never came."),
        "reason": ("str", "The reason that came with it."),
    },
    "Reject": {
        "status": ("int", "The HTTP status, 300 to 599; any other becomes 500."),
        "body": ("str", "The body of the response, sent as UTF-8."),
    },
}
"""Attributes that are set in `__init__`: type and meaning."""

# --- Texts ----------------------------------------------------------------------------

SERVER_HEAD = """# Server

Import from `ocpp_rpc_anyio` or from `ocpp_rpc_trio`: names and signatures are the same. In the signatures `Handler` is
a plain or async function that takes an [`InboundCall`](client.md#inboundcall) and returns the result, `Event` is one of
the [events](events.md), and `DEFAULT` stands for the option `call_timeout`. The options are
[on a page of their own](options.md).

"""
SERVER_CLIENT = """
The server's side of one client's connection. It is what `on_client`, `server.clients`, `ClientConnected.client` and
`InboundCall.client` give you; you never make one. It cannot connect, and is of no use once it is closed. Its own
handlers go before those of the server. It has all that an [`RPCClient`](client.md) has but `connect`:
"""
ACCEPT = """
What the `auth` callback returns or, for `Reject`, raises. Anything else that it returns or raises answers 500, and is
reported as `UpgradeAborted`. How to use them: [Authenticate clients](../how-to/authentication.md).

"""


CLIENT_HEAD = """# Client

Import from `ocpp_rpc_anyio` or from `ocpp_rpc_trio`: names and signatures are the same. In the signatures `Handler` is
a plain or async function that takes an [`InboundCall`](#inboundcall) and returns the result, `Event` is one of the
[events](events.md), and `DEFAULT` stands for the option `call_timeout`. The options are
[on a page of their own](options.md).

An awaited method of a client that was not entered with `async with` raises `RuntimeError`.

"""
INBOUND = """
What a handler is given. What it returns, or an awaitable of it, is the result; what it raises is the error: an
`RPCError` as it is, anything else as `InternalError`. An async handler is cancelled when the connection is lost.

"""
NO_REPLY = """
## NOREPLY

What a handler returns, or passes to `call.reply`, to send no answer at all.
"""
STATE = """
## State

| state | new calls | answers of handlers |
|---|---|---|
| `State.CONNECTING` | wait for the connection | dropped: their connection is gone |
| `State.OPEN` | are sent, or wait for their turn | are sent |
| `State.CLOSING` | raise `NotConnected` | are sent until the goodbye, with `await_pending` |
| `State.CLOSED` | raise `NotConnected` | dropped |
"""


ERRORS_HEAD = """# Errors

All can be imported from `ocpp_rpc_anyio`, `ocpp_rpc_trio` and `ocpp_rpc_core`. What a failed call says about whether
the peer acted on it is under [Know what became of a call](../how-to/close-and-reconnect.md#know-what-became-of-a-call).
"""
RPC_HEAD = """
## Answers: RPCError

`RPCError(message="", details=None, *, code=None)` and the classes below it. Raise one in a handler and the peer gets
it; a call raises the one that the peer sent. Each has `code` as spelled on the wire, `message` and `details`.
`create_rpc_error(code, message="", details=None)` makes one by its code.

An error is written as the subprotocol spells it, whichever class it is: OCPP 1.6 has `FormationViolation` and
`OccurenceConstraintViolation`, and neither `RpcFrameworkError` nor `MessageTypeNotSupported`, for which `GenericError`
is written. The classes with a 1.6 spelling derive from those with the 2.x spelling.

"""
RPC: dict[str, tuple[str, str]] = {
    "RPCError": ("The class of all the others.", "as its code says"),
    "RPCGenericError": (
        (
            "For a call that comes while we let others finish before closing. Also raised for each code that is not in "
            "the specification, which stays in `code`."
        ),
        "the receiver's",
    ),
    "RPCNotImplementedError": (
        "For a call that no handler takes, or that is unknown to the validator in strict mode.",
        "the caller's, or the receiver lacks a handler",
    ),
    "RPCNotSupportedError": ("Never by this library. For handlers.", "the receiver's choice"),
    "RPCInternalError": (
        (
            "For a call whose handler raised anything but an `RPCError`, or whose result is invalid in strict mode or "
            "has no JSON form."
        ),
        "the receiver's",
    ),
    "RPCProtocolError": (
        (
            "In strict mode, when there is no schema for the message, as for a call of ours with an unknown method. "
            "On 2.x, for a payload that is null where `null_payload` refuses it."
        ),
        "the sender's",
    ),
    "RPCSecurityError": ("Never by this library. For handlers.", "as the handler means it"),
    "RPCFormatViolationError": (
        "In strict mode, for `format` and every keyword that has no other code.",
        "the sender's of the payload",
    ),
    "RPCFormationViolationError": (
        "The same, on 1.6, and for a payload that is null where `null_payload` refuses it.",
        "the sender's of the payload",
    ),
    "RPCPropertyConstraintViolationError": (
        "In strict mode, for `enum`, `pattern`, lengths, ranges, `additionalProperties` and others.",
        "the sender's of the payload",
    ),
    "RPCOccurrenceConstraintViolationError": (
        "In strict mode, for `required` and for numbers of items and properties.",
        "the sender's of the payload",
    ),
    "RPCOccurenceConstraintViolationError": ("The same, on 1.6.", "the sender's of the payload"),
    "RPCTypeConstraintViolationError": ("In strict mode, for `type`.", "the sender's of the payload"),
    "RPCMessageTypeNotSupportedError": (
        (
            "A message of an unknown type is reported with this error as `BadMessage`, and answered with it only if "
            "`unknown_message_type` says so."
        ),
        "the sender's",
    ),
    "RPCFrameworkError": (
        (
            "For a message that is not OCPP-J, or a call whose id is too long, still in use, or refused by "
            "`repeated_ids`. Raised by a call that was answered by something malformed, and by `send` where there is "
            "no SEND."
        ),
        "the sender's",
    ),
}
OTHERS: dict[str, dict[str, tuple[str, str]]] = {
    "Calls without an answer: CallFailed": {
        "CallFailed": ("The class of the four below.", "nobody's in particular"),
        "CallTimeout": ("A call was not answered within `timeout`, or the option `call_timeout`.", "the peer's"),
        "NotConnected": (
            (
                "Never written: there is no connection, it is closing, or it ended for good while the call waited. "
                "Also raised by `connect` while the client closes. Safe to repeat."
            ),
            "the caller's, or the network's",
        ),
        "QueueFull": (
            "Never written: as many calls wait already as `Limits.queued_calls` allows. Safe to repeat.",
            "the caller's, or a peer that does not answer",
        ),
        "ConnectionLost": (
            "The connection ended after the call was written, and before its answer came.",
            "the network's, or of whoever closed",
        ),
    },
    "Connecting: HandshakeError": {
        "HandshakeError": (
            (
                "The class of the four below; itself when the server ended the byte stream in the midst of the "
                "handshake. `permanent` tells whether no retry can mend it."
            ),
            "the server's, or the network's",
        ),
        "UnexpectedHTTPResponse": (
            "The server answered with another status than 101; it has `status`, `headers` and `body`.",
            "as the status says",
        ),
        "InvalidHandshake": ("The answer is no WebSocket handshake. Permanent.", "the server's"),
        "SubprotocolMismatch": (
            "The server chose no subprotocol, or one that was not offered. Permanent.",
            "the server's, or the options disagree",
        ),
        "HandshakeTimeout": (
            "Dialling and handshake took longer than `handshake_timeout`.",
            "the server's, or the network's",
        ),
    },
    "On the server": {
        "Reject": ("Never raised by this library: the `auth` callback raises or returns it.", "the client's"),
        "UpgradeRefused": (
            (
                "Never raised to the application: it is `UpgradeAborted.error` of a client that was turned away, with "
                "`status` and `message`."
            ),
            "the client's",
        ),
    },
    "In an adapter": {
        "LocalProtocolError": (
            "`Connection.handle` or `Session.handle` was told what cannot have happened in this phase.",
            "the adapter's",
        ),
    },
}
BUILT_IN = """
## Of Python itself

| class | when | whose fault |
|---|---|---|
| `TypeError` | An option does not exist; a handler cannot be called; a method name or message id is no string; params \
have no JSON form. | the application's |
| `ValueError` | An option, or a combination of them, is impossible; `timeout` is not above 0; params have no JSON \
form; a message id, given or from `new_message_id`, is empty, too long or in use; a schema is bad. | the application's |
| `RuntimeError` | A client or server is used before it is entered, or entered twice; `listen` on a closed server. | \
the application's |
| `BufferError` | While iterating over events: more than `buffer` of them waited to be read. | the application's |
| `OSError` | `connect` could not open the byte stream, TLS included; `listen` cannot use the address. | the \
network's, or the address is wrong |
"""
