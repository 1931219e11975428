"""An HTTP server of one's own on anyio that hands the WebSockets to an `RPCServer`."""

import anyio
import h11
from anyio.abc import ByteStream

from ocpp_rpc_anyio import RPCServer

LARGEST, SECONDS = 16384, 10


def read_request(head: bytes) -> h11.Request | None:
    """The request that begins with these bytes, once they are enough; raises `h11.RemoteProtocolError`."""
    http = h11.Connection(h11.SERVER)
    http.receive_data(head)
    event = http.next_event()
    return event if isinstance(event, h11.Request) else None


async def front(stream: ByteStream, server: RPCServer) -> None:
    """Serve one client: a health check ourselves, everything else with the server."""
    head, request = b"", None
    try:
        with anyio.fail_after(SECONDS):
            while request is None and len(head) < LARGEST:
                head += await stream.receive()
                request = read_request(head)
        if request is None or request.target != b"/health":
            await server.handle_stream(stream, head)
        else:
            await stream.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nOK\n")
    except (h11.RemoteProtocolError, TimeoutError, anyio.EndOfStream, anyio.BrokenResourceError):
        pass  # nobody worth an answer
    finally:
        await anyio.aclose_forcefully(stream)


async def serve(server: RPCServer, host: str, port: int) -> None:
    """Accept clients until cancelled."""
    listener = await anyio.create_tcp_listener(local_host=host, local_port=port)
    print(f"listening on http://{host}:{port}")
    await listener.serve(lambda stream: front(stream, server))
