"""``HEAD`` wherever there is ``GET`` (RFC 9110, 9.3.2): the same answer without its body."""

from collections.abc import MutableMapping
from typing import Any

from node.api.bodies import AsgiApp, Receive, Scope, Send


class HeadAsGet:
    """ASGI application that passes ``HEAD`` on as ``GET``; the server below leaves the body out."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            await self._serve(scope, send)
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, send: Send) -> None:
        is_complete = False

        async def sending(message: MutableMapping[str, Any]) -> None:
            nonlocal is_complete
            is_complete = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        await self._app({**scope, "method": "GET"}, _gone, sending)
        if not is_complete:
            await send({"type": "http.response.body"})


async def _gone() -> dict[str, Any]:
    """Nobody waits for a body: an answer that has no end ends at its head."""
    return {"type": "http.disconnect"}
