"""Objects that numba has compiled, linked into one image (``metrics.kernels.machine_code``).

Objects are relocatable ELF files for x86-64, compiled for the large code model: every address in them is a word of its own
(R_X86_64_64). Sources: System V Application Binary Interface, chapter 4; its AMD64 supplement, 4.4.
"""

import struct
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

_ALLOCATED, _EXECUTABLE = 2, 4
_SYMTAB, _RELA, _NOBITS = 2, 4, 8
_UNDEFINED, _COMMON = 0, 0xFFF2
_R_X86_64_64 = 1
_WORD, _PAGE = 8, 4096


class UnknownObjectError(Exception):
    """An object that holds what is not expected of numba's."""


@dataclass(frozen=True, slots=True)
class _Section:
    name: str
    kind: int
    flags: int
    content: bytes
    size: int
    link: int
    info: int
    alignment: int


@dataclass(frozen=True, slots=True)
class _Symbol:
    name: str
    section: int
    value: int
    size: int


@dataclass
class Linked:
    """What the image consists of; attributes are those of ``metrics.kernels.machine_code.Image``.

    Attributes:
        defined: by name of each symbol that an object defines for others, its position.
        slots: by name of each variable without a value, its positions: each object has its own.
    """

    content: bytearray = field(default_factory=bytearray)
    code_size: int = 0
    relative: list[int] = field(default_factory=list)
    symbols: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    defined: dict[str, int] = field(default_factory=dict)
    slots: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))


def link(objects: list[bytes]) -> Linked:
    """Lay objects one after the other, code before constants, and resolve what one of them says of another.

    Raises:
        UnknownObjectError: when an object is of another kind.
    """
    made, parsed = Linked(), [_Object(each) for each in objects]
    for each in parsed:
        each.lay(made.content, is_code=True)
    _pad(made.content, _PAGE)
    made.code_size = len(made.content)
    for each in parsed:
        each.lay(made.content, is_code=False)
        each.lay_slots(made)
    for each in parsed:
        made.defined.update(each.defined())
    for each in parsed:
        each.relocate(made)
    return made


class _Object:
    """One relocatable file, and where its sections are laid."""

    def __init__(self, content: bytes) -> None:
        if content[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<HH", content, 16) != (1, 62):
            raise UnknownObjectError("this is not a relocatable ELF file for x86-64")
        self._sections = list(_sections(content))
        tables = [each for each in self._sections if each.kind == _SYMTAB]
        self._symbols = [symbol for each in tables for symbol in self._read(each)]
        self._at: dict[int, int] = {}
        self._slots: dict[str, int] = {}

    def lay(self, content: bytearray, *, is_code: bool) -> None:
        """Append the sections of code, or the others that are in memory when the program runs."""
        for index, each in enumerate(self._sections):
            if not self._is_needed(each) or bool(each.flags & _EXECUTABLE) != is_code:
                continue
            _pad(content, max(1, each.alignment))
            self._at[index] = len(content)
            content += each.content

    def lay_slots(self, made: Linked) -> None:
        """Append a word for each variable without a value."""
        for symbol in self._symbols:
            if symbol.section == _COMMON:
                if symbol.size != _WORD:
                    raise UnknownObjectError(f"{symbol.name} has {symbol.size} bytes")
                _pad(made.content, _WORD)
                self._slots[symbol.name] = len(made.content)
                made.slots[symbol.name].append(len(made.content))
                made.content += bytes(_WORD)

    def defined(self) -> dict[str, int]:
        """Positions of the symbols that stand in sections, by name."""
        return {
            each.name: self._at[each.section] + each.value
            for each in self._symbols
            if each.name and each.section in self._at
        }

    def relocate(self, made: Linked) -> None:
        """Write the positions that the sections speak of, and note the words that hold addresses."""
        for each in self._sections:
            if each.kind != _RELA or each.info not in self._at:
                continue
            for offset, information, addend in struct.iter_unpack("<QQq", each.content):
                symbol = self._symbols[information >> 32]
                if information & 0xFFFFFFFF != _R_X86_64_64:
                    raise UnknownObjectError(f"relocation {information & 0xFFFFFFFF} of {symbol.name}")
                self._place(made, self._at[each.info] + offset, symbol, addend)

    def _place(self, made: Linked, place: int, symbol: _Symbol, addend: int) -> None:
        position: int | None
        if symbol.section in self._at:
            position = self._at[symbol.section] + symbol.value
        elif symbol.section == _COMMON:
            position = self._slots[symbol.name]
        elif symbol.section == _UNDEFINED:
            position = made.defined.get(symbol.name)
        else:
            raise UnknownObjectError(f"{symbol.name} stands nowhere")
        if position is None:
            made.symbols[symbol.name].append(place)
        else:
            made.relative.append(place)
        struct.pack_into("<q", made.content, place, (position or 0) + addend)

    def _read(self, table: _Section) -> Iterator[_Symbol]:
        names = self._sections[table.link].content
        for name, _, _, section, value, size in struct.iter_unpack("<IBBHQQ", table.content):
            yield _Symbol(_text(names, name), section, value, size)

    @staticmethod
    def _is_needed(section: _Section) -> bool:
        """Frames for unwinding are not: no kernel throws."""
        return bool(section.flags & _ALLOCATED) and section.name != ".eh_frame" and section.size > 0


def _sections(content: bytes) -> Iterator[_Section]:
    (first,) = struct.unpack_from("<Q", content, 40)
    size, count, names_index = struct.unpack_from("<HHH", content, 58)
    heads = [struct.unpack_from("<IIQQQQIIQQ", content, first + size * index) for index in range(count)]
    begin = heads[names_index][4]
    names = content[begin : begin + heads[names_index][5]]
    for name, kind, flags, _, offset, length, of, info, alignment, _ in heads:
        inside = bytes(length) if kind == _NOBITS else content[offset : offset + length]
        yield _Section(_text(names, name), kind, flags, inside, length, of, info, alignment)


def _text(names: bytes, at: int) -> str:
    return names[at : names.index(b"\0", at)].decode()


def _pad(content: bytearray, alignment: int) -> None:
    content += bytes(-len(content) % alignment)
