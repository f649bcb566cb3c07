"""The one place where an exception becomes an HTTP answer of a node."""

import msgspec
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from schemas.errors import Busy, LookaliveError, error_body

log = structlog.get_logger()

RETRY_AFTER_S = 1
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every error the one shape; what nobody foresaw is logged with its traceback and answered without."""
    try:
        return await handler(request)
    except LookaliveError as error:
        return error_response(error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        code = _CODES.get(error.status, "bad_request" if error.status < 500 else "internal")
        return _response(error.status, error_body(LookaliveError(error.reason, code=code)))
    except Exception:
        log.exception("internal_error", method=request.method, path=request.path)
        return error_response(LookaliveError("an internal error; the node's log has more"))


def error_response(error: LookaliveError) -> web.Response:
    """The answer for an error: its status and its one shape."""
    response = _response(error.http_status, error_body(error))
    if isinstance(error, Busy):
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


def _response(status: int, body: object) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body, enc_hook=str), content_type="application/json")
