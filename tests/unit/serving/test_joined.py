"""When what is written comes to the other end of the connection."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvloop

from afina_serving.joined import Joined


@asynccontextmanager
async def a_connection() -> AsyncIterator[tuple[Joined, socket.socket]]:
    """The server's end, and the client's."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, ours)
    try:
        yield Joined(transport, loop), theirs
    finally:
        transport.abort()
        theirs.close()


async def test_what_is_written_in_one_turn_of_the_loop_comes_together() -> None:
    async with a_connection() as (transport, client):
        transport.write(b"head ")
        transport.write(b"body")
        with pytest.raises(BlockingIOError):
            client.recv(100)
        await asyncio.sleep(0)
        assert client.recv(100) == b"head body"


async def test_what_is_written_waits_for_nothing_else() -> None:
    async with a_connection() as (transport, client):
        for part in (b"go on", b"answer"):
            transport.write(part)
            await asyncio.sleep(0)
            assert client.recv(100) == part


async def test_what_was_written_comes_before_the_end() -> None:
    async with a_connection() as (transport, client):
        transport.write(b"bye")
        transport.close()
        assert transport.is_closing()
        await asyncio.sleep(0.01)
        assert client.recv(100) == b"bye"
        assert client.recv(100) == b""


def test_what_is_written_to_who_has_left_is_no_error() -> None:
    async def leave() -> list[object]:
        found: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: found.append(context))
        async with a_connection() as (transport, _client):
            transport.abort()
            transport.write(b"too late")
            await asyncio.sleep(0.01)
        return found

    # As the server runs it: uvloop complains of what asyncio's own loop lets pass.
    assert uvloop.run(leave()) == []
