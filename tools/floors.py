"""Check how the C sources lie on each other: `python tools/floors.py [FOLDER]`.

Each floor of libh5calib/src uses those below it, never above, and no files go round in a circle;
both are looked for in what files include and in the functions they call. The core lies beside:
every floor may use it, it uses none. Names and sizes are checked too (docs/architecture.md).
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "libh5calib" / "src"

# From the ground up. A folder belongs to the floor of the longest name it begins with.
FLOORS = {
    "core": 0,
    "hdf5/system": 1,
    "hdf5/library": 2,
    "hdf5/file": 3,
    "hdf5/data": 4,
    "hdf5/dataset": 5,
    "hdf5/work": 6,
    "plugin": 7,
}
MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 60
# Too little for a name that several files use, each for something else.
BARE_VERBS = {
    "add", "ask", "begin", "check", "compute", "describe", "drop", "end", "find", "get", "keep",
    "list", "load", "look", "make", "open", "prepare", "read", "take", "use",
}  # fmt: skip

COMMENT_OR_TEXT = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.M)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.M)
MACRO = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(H5CALIB_\w+)", re.M)
TOKEN = re.compile(r"\w+|[^\w\s]")
KEYWORDS = {
    "if", "for", "while", "switch", "return", "sizeof", "_Alignas", "__attribute__", "__declspec",
}  # fmt: skip
# h5calib_<name>_<REAL>_<VARIANT> of a template (core/variants.h)
TEMPLATED = "FN"


@dataclass
class Function:
    name: str
    line: int
    lines: int
    is_static: bool


@dataclass
class Source:
    """A C file: what it includes, defines and calls."""

    path: str
    lines: int = 0
    includes: list[str] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    types: set[str] = field(default_factory=set)
    declares: set[str] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)


def blank(match: re.Match[str]) -> str:
    """As many lines of nothing."""
    return " " + "\n" * match[0].count("\n")


def tokens_of(text: str) -> list[tuple[str, int]]:
    """Tokens with their lines, without comments, texts and the preprocessor's lines."""
    text = DIRECTIVE.sub(blank, COMMENT_OR_TEXT.sub(blank, text))
    found, line, at = [], 1, 0
    for match in TOKEN.finditer(text):
        line += text.count("\n", at, match.start())
        at = match.start()
        found.append((match[0], line))
    return found


def opening(words: list[str], closing: int) -> int:
    """Index of the bracket that the one at `closing` closes."""
    depth = 0
    for i in range(closing, -1, -1):
        depth += {")": 1, "(": -1}.get(words[i], 0)
        if depth == 0:
            return i
    return 0


def name_before(words: list[str], bracket: int) -> str:
    """The name that is called or defined with an argument list at `bracket`; "" for none."""
    if bracket == 0:
        return ""
    if words[bracket - 1] == ")":
        inner = opening(words, bracket - 1)
        if inner > 0 and words[inner - 1] == TEMPLATED:
            return f"{TEMPLATED}({''.join(words[inner + 1 : bracket - 1])})"
        return ""
    name = words[bracket - 1]
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) and name not in KEYWORDS else ""


def scan(path: str, text: str) -> Source:
    """Read one file. Functions are definitions at the outermost level, calls are inside them."""
    source = Source(path, text.count("\n"))
    without_comments = re.sub(r"/\*.*?\*/", blank, text, flags=re.S)
    source.includes = INCLUDE.findall(without_comments)
    source.types = set(MACRO.findall(without_comments))
    found = tokens_of(text)
    words = [word for word, _ in found]
    depth, begin, function = 0, 0, None
    for i, word in enumerate(words):
        if word == "{":
            if depth == 0 and words[i - 1 : i] == [")"] and words[begin] != "typedef":
                name = name_before(words, opening(words, i - 1))
                function = (name, found[begin][1], "static" in words[begin:i])
            depth += 1
        elif word == "}":
            depth -= 1
            if depth == 0 and function:
                name, line, is_static = function
                source.functions.append(Function(name, line, found[i][1] - line + 1, is_static))
                function, begin = None, i + 1
        elif word == ";" and depth == 0:
            source.types |= types_in(words[begin:i])
            begin = i + 1
        elif word == "(" and function:
            source.calls.add(name_before(words, i))
        elif word == "(" and depth == 0:
            source.declares.add(name_before(words, i))
    source.calls -= {""}
    return source


def types_in(words: list[str]) -> set[str]:
    """The types that a declaration defines; `typedef struct a a;` announces one only."""
    names = {
        name
        for kind, name, bracket in zip(words, words[1:], words[2:], strict=False)
        if kind in ("struct", "union", "enum") and bracket == "{"
    }
    plain = words[:1] == ["typedef"] and words[1] not in ("struct", "union", "enum")
    if plain or (words[:1] == ["typedef"] and "{" in words):
        # a type of functions: the name is before its arguments
        names.add(name_before(words, words.index("(")) if plain and "(" in words else words[-1])
    return {name for name in names if re.fullmatch(r"[A-Za-z_]\w*", name)}


def floor_of(path: str) -> int | None:
    """The number of the floor a file lies on; None where it is on none of them."""
    folders = [folder for folder in FLOORS if path.startswith(folder + "/")]
    return FLOORS[max(folders, key=len)] if folders else None


def may_use(user: str, used: str) -> bool:
    above, below = floor_of(user), floor_of(used)
    return above is None or below is None or below <= above


def uses(sources: list[Source]) -> dict[tuple[str, str], str]:
    """(file, file it uses): how."""
    by_path = {source.path: source for source in sources}
    homes = defaultdict(list)
    for source in sources:
        for function in source.functions:
            if not function.is_static:
                homes[function.name].append(source.path)
    found: dict[tuple[str, str], str] = {}
    for source in sources:
        # what a header calls of itself, its own C files define
        own = source.declares if source.path.endswith(".h") else set()
        own = own | {function.name for function in source.functions}
        for name in source.includes:
            if name in by_path and name != source.path:
                found[source.path, name] = "includes it"
        for name in source.calls - own:
            for home in homes[name]:
                found.setdefault((source.path, home), f"calls {name}")
    return found


def circles(edges: dict[tuple[str, str], str]) -> list[list[str]]:
    """Files that use each other, directly or through others; a C file and its header are one."""
    below = defaultdict(set)
    for user, used in edges:
        one, other = user.rsplit(".", 1)[0], used.rsplit(".", 1)[0]
        if one != other:
            below[one].add(other)
    reached = {module: reach(module, below) for module in below}
    found = []
    for module in sorted(below):
        if module in reached[module]:
            circle = sorted(m for m in reached[module] if module in reached.get(m, ()))
            if circle not in found:
                found.append(circle)
    return found


def reach(module: str, below: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    rest = [module]
    while rest:
        for other in below.get(rest.pop(), ()):
            if other not in seen:
                seen.add(other)
                rest.append(other)
    return seen


def twice(places: dict[str, set[str]], what: str) -> list[str]:
    return [
        f"{what} '{name}' in {' and '.join(sorted(files))}"
        for name, files in sorted(places.items())
        if len(files) > 1
    ]


def faults(folder: Path) -> list[str]:
    """Everything that is wrong in a folder of C sources, one sentence each."""
    sources = [
        scan(path.relative_to(folder).as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted(folder.rglob("*.[ch]"))
    ]
    edges = uses(sources)
    found = [
        f"{user} lies below {used} and {how}"
        for (user, used), how in edges.items()
        if not may_use(user, used)
    ]
    found += [f"a circle of files: {', '.join(circle)}" for circle in circles(edges)]
    files, types, verbs = defaultdict(set), defaultdict(set), defaultdict(set)
    for source in sources:
        files[Path(source.path).name].add(source.path)
        for name in source.types:
            types[name].add(source.path)
        for function in source.functions:
            if function.is_static and function.name in BARE_VERBS:
                verbs[function.name].add(source.path)
        if floor_of(source.path) is None:
            found.append(f"{source.path} lies on no floor")
        if source.lines > MOST_LINES_OF_A_FILE:
            lines = f"{source.lines} lines, more than {MOST_LINES_OF_A_FILE}"
            found.append(f"{source.path} has {lines}")
        found += [
            f"{source.path}:{function.line}: {function.name} has {function.lines} lines, "
            f"more than {MOST_LINES_OF_A_FUNCTION}"
            for function in source.functions
            if function.lines > MOST_LINES_OF_A_FUNCTION
        ]
    found += twice(files, "two files of the name")
    found += twice(types, "two types or macros of the name")
    found += twice(verbs, "a name that says too little for two functions,")
    return found


def main(arguments: list[str]) -> int:
    folder = Path(arguments[0]) if arguments else SOURCES
    found = faults(folder)
    for fault in found:
        print(fault)
    if not found:
        print(f"floors: {sum(1 for _ in folder.rglob('*.[ch]'))} files, nothing to say")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
