"""The ``bench`` command."""

from harness.core.interpreter import isolate

isolate()  # before what the commands import is looked for
