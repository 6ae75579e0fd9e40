"""The ``bench`` command."""

from harness.interpreter import isolate

isolate()  # before what the commands import is looked for
