"""The command line. ``parjob`` is ``main``; each command group is one file, loaded when it is called."""

from par_model.cli.main import main

__all__ = ["main"]
