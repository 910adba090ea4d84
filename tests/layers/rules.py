"""The rules of the house, as functions: source in, complaints out (`file:line: what and why`).

test_rules.py runs each over the tree, and over a bad sample that it must refuse.
"""

import re
import statistics
import subprocess
from pathlib import Path

LONGEST_FUNCTION = 100
P90_FUNCTION = 45

BANNED = {
    "strcpy": "g_strlcpy or GString", "strcat": "GString", "sprintf": "g_snprintf or g_strdup_printf",
    "vsprintf": "g_vsnprintf", "gets": "getline", "system": "GSubprocess", "popen": "GSubprocess",
    "malloc": "g_malloc or g_new", "calloc": "g_new0", "realloc": "g_realloc", "free": "g_free",
    "strdup": "g_strdup", "strndup": "g_strndup", "alloca": "g_malloc", "strtok": "g_strsplit",
    "atoi": "g_ascii_string_to_signed", "mktemp": "g_mkstemp",
}
# Where a library hands out memory of its own allocator.
ALLOWED_CALLS = {("src/base/json.c", "free")}  # json_dumps()
BANNED_CALL = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
SQL = re.compile(r"\b(SELECT\s|INSERT INTO|UPDATE \w+ SET|DELETE FROM|CREATE (TABLE|INDEX)|DROP TABLE)")
JSON_KEY = re.compile(r'(^"|[{,\[]\s*)\\"[^"\\]*\\":')
CONVERSION = re.compile(r"%[-+ #0-9.*]*(hh|h|ll|l|z|j)?[sdiuxX]|%\"\s*(G_|PRI)")

# What a reader of this project cannot know or must not need.
FORBIDDEN = re.compile(
    r"/work\b|\.\./shared\b|\b(TODO|FIXME|XXX)\b|\b[Ii]ssues? #?\d+\b|\b(CEO|ChatGPT|Claude|LLM)\b"
    r"|\bother helpers?\b|\bthis session\b")


# ---- reading C ----

TOKEN = re.compile(r"""/\*.*?\*/|//[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'""", re.S)


def blank(text, keep_strings=False):
    """The same text with comments (and strings) made of blanks: lines and columns stay."""
    def wipe(match):
        token = match.group(0)
        if keep_strings and token[0] in "\"'":
            return token
        inner = re.sub(r"[^\n]", " ", token)
        return token[0] + inner[1:-1] + token[-1] if token[0] in "\"'" else inner
    return TOKEN.sub(wipe, text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def literals(text):
    """(position, text) of string literals; adjacent ones, and macros between them, are joined."""
    code = blank(text, keep_strings=True)
    for match in re.finditer(r'"(?:[^"\\\n]|\\.)*"(?:\s*(?:[A-Z_][A-Z0-9_]*\s*)?"(?:[^"\\\n]|\\.)*")*', code):
        yield match.start(), match.group(0)


def functions(text):
    """(name, line, number of lines) of each function body in GNU style: braces in the first column."""
    lines = blank(text).split("\n")
    start = None
    for i, line in enumerate(lines):
        if line.startswith("{"):
            start = i
        elif line.startswith("}") and start is not None:
            head = " ".join(lines[max(0, start - 12):start])
            if line.rstrip() == "}":
                names = re.findall(r"(\w+)\s*\((?=[^;{}]*$)", head.split(";")[-1].split("}")[-1])
                if names:
                    yield names[0], start + 1, i - start + 1
            start = None


# ---- rules ----

def rooms_of(src_meson):
    """The rooms from the ground up, as the build lists them."""
    block = re.search(r"rooms\s*=\s*\[(.*?)\]", src_meson, re.S).group(1)
    return re.findall(r"'(\w+)'", block)


def layering(path, text, rooms):
    """`path` is relative to src. An include may only go sideways or down."""
    room = path.split("/")[0] if "/" in path else None
    rank = rooms.index(room) if room in rooms else len(rooms)
    out = []
    if room and room not in rooms:
        out.append(f"src/{path}:1: the room '{room}' is not in src/meson.build")
    for match in re.finditer(r'^\s*#\s*include\s+"([^"]+)"', blank(text, keep_strings=True), re.M):
        target = match.group(1).split("/")[0] if "/" in match.group(1) else room
        where = f"src/{path}:{line_of(text, match.start())}"
        if ".." in match.group(1):
            out.append(f"{where}: include \"{match.group(1)}\" by its room, not by ..")
        elif target is not None and target not in rooms:
            out.append(f"{where}: \"{match.group(1)}\" is in no room of src/meson.build")
        elif target is not None and rooms.index(target) > rank:
            out.append(f"{where}: {room} may not use {target}: dependencies point downwards only")
    return out


def banned_calls(path, text):
    code = blank(text)
    return [f"{path}:{line_of(text, m.start())}: {m.group(1)}: use {BANNED[m.group(1)]}"
            for m in BANNED_CALL.finditer(code) if (path, m.group(1)) not in ALLOWED_CALLS]


def json_by_hand(path, text):
    return [f"{path}:{line_of(text, at)}: JSON from a string: use jansson"
            for at, literal in literals(text)
            if '{\\"' in literal or (JSON_KEY.search(literal) and CONVERSION.search(literal))]


def sql_by_hand(path, text):
    return [f"{path}:{line_of(text, at)}: SQL from a format: use $1 parameters"
            for at, literal in literals(text)
            if SQL.search(literal) and CONVERSION.search(literal)]


def long_functions(path, text):
    return [f"{path}:{line}: {name} has {count} lines; the limit is {LONGEST_FUNCTION}"
            for name, line, count in functions(text) if count > LONGEST_FUNCTION]


def lengths(texts):
    """(median, p90) of all functions of the given texts."""
    counts = sorted(count for text in texts for _, _, count in functions(text))
    if not counts:
        return 0, 0
    return statistics.median(counts), counts[min(len(counts) - 1, int(len(counts) * 0.9))]


def vague_names(path):
    stem = Path(path).stem.lower()
    if re.fullmatch(r"(.*_)?(utils?|helpers?|misc|common|stuff)", stem):
        return [f"{path}: a file is named after its one noun, not '{stem}'"]
    return []


# What the tables of routes and of verbs hold.
TABLE_ENTRY = re.compile(r"RpRequest \*\w*, GError \*\*\w*|RpCli \*\w*, char \*\*\w*, GError \*\*\w*")


def unchecked_results(path, text):
    """Prototypes of headers whose last parameter is a GError **: their result must not be dropped."""
    code = re.sub(r"^[ \t]*#(?:[^\n\\]|\\.)*", lambda m: re.sub(r"[^\n]", " ", m.group(0)), blank(text),
                  flags=re.M | re.S)
    out = []
    for match in re.finditer(r"(?:^|[;}])\s*((?:const\s+)?\w+\s+\**\s*(rp_\w+)\s*\(([^;{}]*?)\)([^;(){}]*(?:\([^()]*\))?[^;{}]*));",
                             code):
        whole, name, parameters, tail = match.groups()
        if re.search(r"lways returns FALSE\.?\s*\*/\s*$", text[:match.start(1)]):
            continue  # it only fills in an error
        if TABLE_ENTRY.fullmatch(" ".join(parameters.split())):
            continue  # called through its table, which no attribute reaches
        if whole.startswith(("typedef", "void ")) or not re.search(r"GError\s*\*\*\s*\w*\s*$", parameters):
            continue
        if "G_GNUC_WARN_UNUSED_RESULT" not in tail:
            out.append(f"{path}:{line_of(code, match.start(2))}: {name} lacks G_GNUC_WARN_UNUSED_RESULT")
    return out


def lonely_headers(headers, flags, cwd):
    """Headers that do not compile as the first and only include."""
    if not headers:
        return []
    done = subprocess.run(["gcc", "-fsyntax-only", "-w", "-x", "c", *flags, *map(str, headers)], cwd=cwd,
                          text=True, capture_output=True)
    errors = [line for line in done.stderr.splitlines() if ": error:" in line or "fatal error:" in line]
    return errors or ([done.stderr] if done.returncode else [])


def pages_and_verbs(verbs, pages):
    """`verbs` from the table of verbs, `pages` file names of docs/man."""
    expected = {"repoint.1.scd"} | {f"repoint-{verb}.1.scd" for verb in verbs}
    have = {page for page in pages if page.endswith(".1.scd")}
    return ([f"docs/man/{page}: missing; every verb has a manual page" for page in sorted(expected - have)]
            + [f"docs/man/{page}: there is no such verb" for page in sorted(have - expected)])


def verbs_of(told):
    """The names in `repoint help --verbs`: NAME<TAB>SUMMARY lines."""
    return [line.split("\t")[0] for line in told.splitlines() if "\t" in line]


def rollback_rows(document, tests):
    """`document`: docs/rollbacks.md; `tests`: {path: text}. A row is proven by a test that carries its
    id in its name (test_R11_…, r11_…, test_R11_R12_…), or it says `not yet`; never both, never neither."""
    proof = {}
    for path, text in tests.items():
        for name in re.findall(r"\b(?:test_)?((?:[rR]\d\d_)+)\w", text):
            for row in re.findall(r"\d\d", name):
                proof.setdefault("R" + row, set()).add(path)
    out, rows = [], set()
    for number, line in enumerate(document.splitlines(), 1):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) < 4 or not re.fullmatch(r"R\d\d", cells[0]):
            continue
        row, claim = cells[0], cells[-1]
        rows.add(row)
        where = f"docs/rollbacks.md:{number}: {row}"
        if claim == "not yet":
            if row in proof:
                out.append(f"{where} says 'not yet', but {', '.join(sorted(proof[row]))} tests it")
            continue
        named = re.findall(r"tests/[\w./-]+\.(?:py|c)", claim)
        if not named:
            out.append(f"{where} names no test ('{claim}')")
        for path in named:
            if path not in proof.get(row, ()):
                out.append(f"{where}: {path} has no test named after {row}")
    out += [f"{', '.join(sorted(proof[row]))}: {row} is no row of docs/rollbacks.md"
            for row in sorted(set(proof) - rows)]
    return out


def forbidden_words(path, text):
    return [f"{path}:{line_of(text, m.start())}: '{m.group(0)}' has no place here"
            for m in FORBIDDEN.finditer(text)]
