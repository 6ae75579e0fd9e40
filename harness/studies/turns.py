"""Taking turns: processes that share a runs folder do every piece of work once, be it a unit or a trial."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from harness.core import console
from harness.results.claims import Claims

if TYPE_CHECKING:
    from harness.launch.child import Errand

_LOOK_S = 0.5

Work = TypeVar("Work")


class Turns(Generic[Work]):
    """Deals out work that nobody else does; at the end looks after what somebody else did.

    Args:
        claims: holds what this process does.
        folder: where a piece of work is claimed: its scratch space.
        over: whether a piece of work has been ended meanwhile, by another process. Asked once it is claimed.
        moved: called for every piece that is.
        noun: what a piece of work is called.

    Attributes:
        left: work to be dealt out, put here by the caller. What stays is work that another process was doing when its
            turn came.
    """

    def __init__(
        self,
        claims: Claims,
        folder: Callable[[Work], Path],
        over: Callable[[Work], bool],
        moved: Callable[[], None] = lambda: None,
        noun: str = "unit",
    ) -> None:
        self.left: list[Work] = []
        self._claims = claims
        self._folder = folder
        self._over = over
        self._moved = moved
        self._noun = noun
        self._told = False

    def tasks(self, errand: Callable[[Work], Errand]) -> Iterator[tuple[Work, Callable[[], Errand]]]:
        """Work whose turn it is, each piece claimed. It waits for nobody: what it leaves out stays in ``left``."""
        dealt, self.left = self.left, []
        for one in dealt:
            if not self._claims.take(self._folder(one)):
                self.left.append(one)
            elif self._over(one):
                self.ended(one)
                self._moved()
            else:
                yield one, partial(errand, one)

    def ended(self, one: Work) -> None:
        """A piece of work has ended, and what came of it is written."""
        self._claims.release(self._folder(one))

    def wait(self) -> None:
        """Wait until the turn of something that is left, if anything, has come: its process ended it, or is gone."""
        if self.left and not self._told:
            console.note(f"waiting for {console.count(len(self.left), self._noun)} that other processes are running")
            self._told = True
        folders = [self._folder(one) for one in self.left]
        while folders and not any(self._claims.take(folder) for folder in folders):
            time.sleep(_LOOK_S)
