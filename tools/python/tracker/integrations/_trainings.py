"""The trainings that a callback sees, one after the other, and how their runs end."""

from __future__ import annotations

import atexit
import contextlib
import sys
import threading
import weakref
from typing import TYPE_CHECKING
from typing import Any

from tracker.integrations._sink import Sink

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from tracker._logging import ActiveRun

#: Callbacks in the middle of a training.
_busy: weakref.WeakSet[Trainings] = weakref.WeakSet()


class Trainings:
    """What the callbacks of this package share: a training may be left without a word to them.

    Its run, if it was started here, is then ended as failed when the callback is let go of, when
    the next training with such a callback begins on the same thread, or with the program. As a
    context a callback ends it at once, with the exception that leaves the block.

    Callbacks can be copied and pickled: estimators are cloned together with theirs.
    """

    def __init__(self, run: ActiveRun | None, options: dict[str, Any]) -> None:
        super().__init__()
        Sink(run, options)  # bad options are found before anything is trained
        self._given = run
        self._options = options
        self._sink: Sink | None = None
        self._thread = 0

    def _begin(self, is_on: bool = True) -> Sink:
        """A training begins: what it logs goes to the sink that is returned.

        - is_on: with False nothing is logged, as by the other ranks of a distributed job
        """
        here = threading.get_ident()
        for callback in list(_busy):
            if callback is self or callback._thread == here:
                callback._leave()
        self._thread = here
        is_over = self._given is not None and not self._given._is_open
        run = None if is_over else self._given
        self._sink = sink = Sink(run, self._options, is_on and not is_over)
        if is_over:
            sink.warn("over", "the run has ended: what is logged from now on is not kept")
        _busy.add(self)
        run = sink.run
        if run is not None:
            # Weakly: to let go of the callback is how some trainings end.
            conclude = weakref.WeakMethod(self._conclude)
            run._last_words.append(lambda: (method := conclude()) is not None and method())
        return sink

    def _conclude(self) -> bool:
        """Logs what is known only after the training, once; whether that came to its end."""
        return False

    def _end(self) -> None:
        """The training came to its end."""
        _busy.discard(self)
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.end()

    def _leave(self, error: BaseException | None = None) -> None:
        """The training is over, and only `_conclude` can tell how."""
        if self not in _busy:
            return
        if self._conclude():
            self._end()
            return
        _busy.discard(self)
        sink, self._sink = self._sink, None
        if sink is None:
            return
        if error is None:
            sink.end("failed", "the training was left before its end")
        else:
            sink.fail(error)

    def finish(self) -> None:
        """Ends the run if it was started here and is not over: failed if the training is not."""
        self._leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave(error)

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # the interpreter may be half gone
            self._leave()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_sink": None}


def _at_exit() -> None:
    """Ends what a program left, unless an exception ends the program, and with it all runs."""
    if getattr(sys, "last_value", None) is None or hasattr(sys, "ps1"):
        for callback in list(_busy):
            callback._leave()


atexit.register(_at_exit)  # later than that of the runs, and so called before it
