"""What may reorder or thin out a merged list before it is cut into pages."""

from schemas.errors import InputError
from schemas.queries import SearchOptions


def check_supported(options: SearchOptions) -> None:
    """Passes options whose ranking this version has.

    Raises:
        InputError: `not_supported`, for `collapse` and `diversity`.
    """
    if options.collapse is not None:
        raise InputError("`collapse` is not supported by this version", code="not_supported", field="collapse")
    if options.diversity:
        raise InputError("`diversity` is not supported by this version", code="not_supported", field="diversity")
