"""The `lookalive` command's entry: nothing is imported before Ctrl-C is understood."""

import sys

INTERRUPTED = 130
"""As a shell has it: 128 and the number of SIGINT."""


def main() -> None:
    """Run the command; Ctrl-C while its modules load ends it without a traceback."""
    try:
        from ops.cli import app

        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
