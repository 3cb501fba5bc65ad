"""The command `tracker`, compiled into the package: `python -m tracker`, or `tracker` itself."""

from __future__ import annotations

import os
import signal
import sys

from tracker._tracker import command

TYPE_CHECKING = False  # that of typing takes milliseconds to import
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    """Runs the command with the arguments of this process, and ends the process."""
    # Compiled code is not interrupted by Python's own handler: let Ctrl-C end it at once, unless
    # it was started to be ignored.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    code = command(["tracker", *sys.argv[1:]])
    # Nothing of Python is left to be done, and threads that read are not waited for.
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
