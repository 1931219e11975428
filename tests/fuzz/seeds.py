"""Makes the seeds of the corpus: valid handshakes, frames and messages, and the edges of each.

    PYTHONPATH=tests python tests/fuzz/seeds.py

What a fuzzer found worth keeping lies beside them, under names that begin with `found`.
"""

import json
import zlib
from datetime import UTC, datetime
from pathlib import Path

from support import wire

from ocpp_rpc_anyio.cli import samples
from ocpp_rpc_core import _frames

CORPUS = Path(__file__).parent / "corpus"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover"
METHODS = {
    "ocpp1.6": ("BootNotification", "MeterValues", "SetChargingProfile", "Reset"),
    "ocpp2.0.1": ("BootNotification", "TransactionEvent", "GetVariables", "SetChargingProfile"),
    "ocpp2.1": ("TransactionEvent", "NotifyPeriodicEventStream", "SetDERControl", "GetVariables"),
}


def compact(value):
    """JSON as it is sent."""
    return json.dumps(value, separators=(",", ":")).encode()


def requests():
    """What clients ask a server."""
    base = wire.request(protocols="ocpp1.6, ocpp2.0.1")
    return {
        "plain": base,
        "no-protocol": wire.request(),
        "deflate": wire.request(protocols="ocpp2.1", extra=f"{DEFLATE}; client_max_window_bits=15\r\n"),
        "two-offers": wire.request(
            protocols="ocpp2.1",
            extra=f"{DEFLATE}; server_max_window_bits=8, permessage-deflate\r\nX: {'y' * 200}\r\n",
        ),
        "basic": wire.request("/csms/CP%201?a=b", "ocpp1.6", "Authorization: Basic Q1AxOnNlY3JldA==\r\n"),
        "early": base + wire.message(2, "1", "Heartbeat", {}, masked=True),
        "body": wire.request(protocols="ocpp1.6", extra="Content-Length: 3\r\n") + b"abc",
        "chunked": wire.request(protocols="ocpp1.6", extra="Transfer-Encoding: chunked\r\n") + b"3\r\nabc\r\n0\r\n\r\n",
        "folded": wire.request(protocols="ocpp1.6", extra="X: a\r\n b\r\n").replace(b"\r\n", b"\n"),
        "get": b"GET / HTTP/1.0\r\nHost: x\r\n\r\n",
        "absolute": wire.request("http://localhost/CP1", "ocpp1.6"),
        "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32),
    }


def responses():
    """What servers answer a client."""
    return {
        "plain": wire.response("ocpp1.6"),
        "deflate": wire.response("ocpp2.1", extra=f"{DEFLATE}; client_max_window_bits=12\r\n"),
        "early": wire.response("ocpp1.6") + wire.message(2, "1", "Reset", {"type": "Soft"}),
        "wrong-accept": wire.response("ocpp1.6", accept="x"),
        "no-protocol": wire.response(),
        "busy": b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\nRetry-After: 5\r\n\r\nlate",
        "chunked": b"HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "redirect": b"HTTP/1.1 302 Found\r\nLocation: ws://x/\r\nContent-Length: 0\r\n\r\n",
        "continue": b"HTTP/1.1 100 Continue\r\n\r\n" + wire.response("ocpp1.6"),
        "to-the-end": b"HTTP/1.0 200 OK\r\n\r\nhello",
    }


def deflated(payload, *, final=False):
    """A compressed payload; a final block is unusual, and allowed."""
    packer = zlib.compressobj(wbits=-12)
    if final:
        return packer.compress(payload) + packer.flush(zlib.Z_FINISH) + b"\x00"
    return (packer.compress(payload) + packer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")


def frames(*, masked):
    """What a peer sends after the handshake."""

    def frame(first, payload=b""):
        return wire.frame(first, payload, masked=masked)

    call = compact([2, "1", "Heartbeat", {}])
    packed = deflated(compact([2, "2", "DataTransfer", {"vendorId": "v" * 100}]))
    return {
        "text": frame(0x81, call),
        "two-texts": frame(0x81, call) + frame(0x81, "[\u00e9\u26a1]".encode()),
        "medium": frame(0x81, b"[" + b"1," * 100 + b"1]"),
        "large": frame(0x82, bytes(9000)),
        "fragments": frame(0x01, call[:5]) + frame(0x89, b"hi") + frame(0x00) + frame(0x80, call[5:]),
        "cut-character": frame(0x01, b"\xe2\x9a") + frame(0x80, b"\xa1"),
        "bad-character": frame(0x81, b"\xff\xfe"),
        "bad-character-in-fragment": frame(0x01, b"ab\xff") + frame(0x89) + frame(0x80, b"c"),
        "ping-pong": frame(0x89, b"x" * 125) + frame(0x8A, b"y"),
        "close": frame(0x88, _frames.close_payload(1000, "bye")) + frame(0x81, call),
        "close-without-code": frame(0x88),
        "close-bad-code": frame(0x88, b"\x03\xec"),
        "close-one-byte": frame(0x88, b"\x03"),
        "compressed": frame(0xC1, packed),
        "compressed-fragments": frame(0x41, packed[:9]) + frame(0x89, b"p") + frame(0x80, packed[9:]),
        "compressed-final-block": frame(0xC1, deflated(call * 20, final=True)) + frame(0xC1, packed),
        "bomb": frame(0xC2, deflated(bytes(200_000))),
        "reserved-bits": frame(0xF1, call),
        "reserved-opcode": frame(0x83, call),
        "wrong-mask": wire.frame(0x81, call, masked=not masked),
        "long-header": frame(0x81)[:1] + (b"\xff" if masked else b"\x7f") + b"\x00" * 6 + b"\x00\x05" + call,
        "huge": frame(0x82)[:1] + (b"\xff" if masked else b"\x7f") + b"\x40" + bytes(7) + bytes(4),
        "many-fragments": frame(0x02) + frame(0x00, b"a") * 20,
    }


def talk(protocol):
    """Messages of one OCPP version, by name: requests, results, errors, and what is nearly one."""
    document = samples.document(protocol)
    found = {}
    for method in METHODS[protocol]:
        schemas = document["messages"][method]
        kind = 2 if "request" in schemas else 6
        params = samples.sample(schemas.get("request") or schemas["send"], document["definitions"], NOW)
        found[method] = [kind, "id-1", method, params]
    boot = samples.minimal_response(protocol, "BootNotification", NOW)
    return found | {
        "result": [3, "2", boot],
        "error": [4, "1", "GenericError", "no", {}],
        "result-error": [5, "1", "FormatViolation", "no", {}],
        "nearly": [2, "id-1", "Heartbeat"],
        "foreign-result": [3, "99", {}],
    }


def texts():
    """What a session hears, each behind the byte that says in which dialect."""
    found = {}
    for number, protocol in enumerate(METHODS):
        first = bytes([number])
        messages = {name: compact(message) for name, message in talk(protocol).items()}
        found |= {f"{protocol}-{name}": first + message for name, message in messages.items()}
        found[f"{protocol}-several"] = first + b"\n".join(messages.values())
        found[f"{protocol}-binary"] = bytes([number + 66]) + messages["result"]
    odd = {
        "deep": b"[" * 2000,
        "numbers": b'[2,"1","Heartbeat",{"a":[1e999,-0.0,12345678901234567890123456789012345,NaN]}]',
        "surrogate": b'[2,"\\ud800","Heartbeat",{"\\udfff":1}]',
        "twice": b'[2,"7","Heartbeat",{}]\n[2,"7","Heartbeat",{}]',
        "true": b'[true,"1",{}]',
        "constructor": b'[2,"1","constructor",{"__proto__":1}]',
    }
    return found | {f"odd-{name}": b"\x00" + message for name, message in odd.items()}


def connections():
    """Whole conversations, behind the two bytes that say who hears them and in what pieces."""
    found = {}
    for number, protocol in enumerate(METHODS):
        for role in (0, 1):
            masked = role == 1
            said = [wire.message(*message, masked=masked) for message in talk(protocol).values()]
            said += [wire.frame(0x89, b"x", masked=masked), wire.goodbye(1000, "bye", masked=masked)]
            name = f"{protocol}-{'server' if role else 'client'}"
            found[name] = bytes([role | number << 1, 0]) + b"".join(said)
            found[f"{name}-in-time"] = bytes([role | number << 1 | 128, 40]) + b"".join(said[:4])
            found[f"{name}-drained"] = bytes([role | number << 1 | 8 | 32, 99]) + b"".join(said[2:])
    return found | {
        f"frames-{name}": bytes([9, 16]) + data
        for name, data in frames(masked=True).items()
        if name in ("fragments", "compressed-fragments", "bomb", "bad-character", "reserved-bits")
    }


def seeds():
    """Target: {name: bytes}."""
    return {
        "request": requests(),
        "response": responses(),
        # The first byte: compression was agreed on.
        "server_frames": {name: b"\x01" + data for name, data in frames(masked=True).items()},
        "client_frames": {name: b"\x01" + data for name, data in frames(masked=False).items()},
        "text": texts(),
        "connection": connections(),
    }


def main():
    """Write them."""
    for target, found in seeds().items():
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            if not old.name.startswith("found"):
                old.unlink()
        for name, data in found.items():
            (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
