"""A slow way to a machine: bytes arrive late, as many as there are. The kernel's own (`tc netem`) is not everywhere."""

import asyncio
import threading
from contextlib import contextmanager

CHUNK = 256 * 1024


@contextmanager
def delayed(address, port, delay):
    """Yields a port of this computer that leads to another; what is sent there takes `delay` seconds more."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    carry = lambda reader, writer: between(reader, writer, address, port, delay)  # noqa: E731
    server = asyncio.run_coroutine_threadsafe(asyncio.start_server(carry, "127.0.0.1", 0), loop).result()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(server.close)


async def between(reader, writer, address, port, delay):
    far_reader, far_writer = await asyncio.open_connection(address, port)
    await asyncio.gather(late(reader, far_writer, delay), late(far_reader, writer, 0))


async def late(reader, writer, delay):
    """Hands over what it reads, each piece `delay` seconds after it came."""
    loop, held = asyncio.get_running_loop(), asyncio.Queue()

    async def write():
        while (piece := await held.get()) is not None:
            due, data = piece
            await asyncio.sleep(max(0, due - loop.time()))
            writer.write(data)
            await writer.drain()
        writer.close()

    writing = asyncio.ensure_future(write())
    try:
        while data := await reader.read(CHUNK):
            held.put_nowait((loop.time() + delay, data))
    except ConnectionError:
        pass
    held.put_nowait(None)
    await writing
