"""A stored traceback taken apart again: the author's own frames, and those of libraries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

FRAME = re.compile(r'  File "(.{1,1000})", line (\d{1,9}), in (.{1,500})')
LIBRARY = re.compile(r"[/\\](?:site|dist)-packages[/\\]|[/\\]lib[/\\]python\d|\A<")


@dataclass(slots=True)
class Frame:
    """One call; `code` is its line of source, with the mark under it."""

    file: str
    line: int
    function: str
    code: list[str] = field(default_factory=list)

    @property
    def is_library(self) -> bool:
        return bool(LIBRARY.search(self.file))

    @property
    def short(self) -> str:
        """The end of the path, as one would look for it."""
        return "/".join(re.split(r"[/\\]", self.file)[-3:])


@dataclass(slots=True)
class Raised:
    """One exception of the chain, and the calls that led to it, the innermost last."""

    name: str
    frames: list[Frame] = field(default_factory=list)

    @property
    def runs(self) -> Iterator[tuple[bool, list[Frame]]]:
        """(folded, frames): neighbours of a library are folded together, unless there is nothing else to see."""
        own = any(not frame.is_library for frame in self.frames)
        for library, frames in groupby(self.frames, lambda frame: frame.is_library):
            yield library and own, list(frames)


def frames_of(text: str) -> list[Raised]:
    """The chain as it was stored: the exception first, then what caused it."""
    chain: list[Raised] = []
    for line in text.split("\n"):
        if match := FRAME.fullmatch(line):
            if not chain:
                chain.append(Raised(""))
            chain[-1].frames.append(Frame(match[1], int(match[2]), match[3]))
        elif line.startswith("    ") and chain and chain[-1].frames:
            chain[-1].frames[-1].code.append(line[4:])
        elif line.strip():
            chain.append(Raised(line.strip()))
    return chain
