"""The command line: `program` builds and runs it; a question of the library is one entry of `questions`."""

from .program import build_parser, main

__all__ = ["build_parser", "main"]
