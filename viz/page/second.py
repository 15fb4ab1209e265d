"""Where the page fetches the viewer's second script, when a panel of "Look closer" is opened first.

Its address changes with what the two scripts hold, so that a browser may keep it for good and never uses an old one.
"""

from __future__ import annotations

import hashlib

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from viz.viewer import script, second_script


def address() -> str:
    """Relative, so that it also works behind a proxy's prefix."""
    version = hashlib.sha256((script() + second_script()).encode()).hexdigest()[:16]
    return f"gradio_api/viewer-{version}.js"


def route() -> Route:
    """What answers there."""
    return Route(f"/{address()}", _answer)


def _answer(_: Request) -> Response:
    headers = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(second_script(), media_type="text/javascript", headers=headers)
