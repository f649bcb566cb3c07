"""The one place where an exception becomes an HTTP answer."""

import msgspec
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from schemas.errors import Busy, LookaliveError, error_body

RETRY_AFTER_S = 1
_HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}

log = structlog.get_logger()


def error_response(error: LookaliveError) -> web.Response:
    """The answer for this error: its status, and `{"error": {"code", "message", "details"}}`."""
    headers = {"Retry-After": str(RETRY_AFTER_S)} if isinstance(error, Busy) else None
    body = msgspec.json.encode(error_body(error), enc_hook=str)
    return web.Response(status=error.http_status, body=body, content_type="application/json", headers=headers)


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error has one shape; what nobody foresaw is logged with its traceback and answered without."""
    try:
        return await handler(request)
    except LookaliveError as error:
        if error.http_status >= 500:
            log.warning("request_failed", method=request.method, path=request.path, code=error.code, error=str(error))
        return error_response(error)
    except web.HTTPException as error:
        return _http_response(request, error)
    except Exception:
        log.exception("internal_error", method=request.method, path=request.path)
        return error_response(LookaliveError("an internal error; the router's log has more", code="internal"))


def _http_response(request: web.Request, error: web.HTTPException) -> web.StreamResponse:
    """The framework's own refusals in our shape; its redirects as they are."""
    if error.status < 400:
        raise error
    code = _HTTP_CODES.get(error.status, "bad_request" if error.status < 500 else "internal")
    message = f"{request.method} {request.path}: {error.reason}"
    if isinstance(error, web.HTTPMethodNotAllowed):
        message = f"{request.method} is not for {request.path}; allowed: {', '.join(sorted(error.allowed_methods))}"
    elif error.status == 404:
        message = f"there is nothing at {request.path}; /docs lists what is there"
    body = msgspec.json.encode({"error": {"code": code, "message": message, "details": {}}})
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
    return web.Response(status=error.status, body=body, content_type="application/json", headers=headers)
