"""An HTTP server of one's own on trio that hands the WebSockets to an `RPCServer`."""

import h11
import trio

from ocpp_rpc_trio import RPCServer

LARGEST, SECONDS = 16384, 10


def read_request(head: bytes) -> h11.Request | None:
    """The request that begins with these bytes, once they are enough; raises `h11.RemoteProtocolError`."""
    http = h11.Connection(h11.SERVER)
    http.receive_data(head)
    event = http.next_event()
    return event if isinstance(event, h11.Request) else None


async def front(stream: trio.SocketStream, server: RPCServer) -> None:
    """Serve one client: a health check ourselves, everything else with the server."""
    head, request = b"", None
    try:
        with trio.fail_after(SECONDS):
            while request is None and len(head) < LARGEST and (data := await stream.receive_some()):
                head += data
                request = read_request(head)
        if request is None or request.target != b"/health":
            await server.handle_stream(stream, head)
        else:
            await stream.send_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nOK\n")
    except (h11.RemoteProtocolError, trio.TooSlowError, trio.BrokenResourceError):
        pass  # nobody worth an answer
    finally:
        await trio.aclose_forcefully(stream)


async def serve(server: RPCServer, host: str, port: int) -> None:
    """Accept clients until cancelled."""
    listeners = await trio.open_tcp_listeners(port, host=host)
    print(f"listening on http://{host}:{port}")
    await trio.serve_listeners(lambda stream: front(stream, server), listeners)
