"""How the demo talks: numbered chapters, the commands as typed, their output indented."""
import shlex
import sys
import time

STARTED = time.monotonic()


def _colour(code, text):
    return f"\033[{code}m{text}\033[0m" if sys.stdout.isatty() else text


def chapter(number, title):
    print(f"\n{_colour('1', f'{number}. {title}')}")


def say(text):
    for line in text.splitlines():
        print(f"   {line}")
    sys.stdout.flush()


def command(argv):
    say(_colour("36", "$ " + " ".join(shlex.quote(a) for a in argv)))


def output(text):
    for line in text.rstrip("\n").splitlines():
        print(f"     {line}")
    sys.stdout.flush()


def proof(text):
    say(_colour("32", "✓ " + text))


def elapsed():
    return time.monotonic() - STARTED
