"""Bad input: the program under limits of memory and time, and bytes spoilt by seed."""
import json
import random
import resource
import subprocess

from e2e_drc import DRC, ROOT

MEMORY = 2 << 30
SANITIZED = b"__asan_init" in open(DRC, "rb").read()
# Of the processor: the promise is 2 s; sanitizers are slow.
SECONDS = 15 if SANITIZED else 4


def limited():
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    if not SANITIZED:  # AddressSanitizer reserves terabytes
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def attack(drc, *words, stdin=None, cwd=ROOT, **kwargs):
    """Runs drc under limits; no signal, no sanitizer's report. Any exit status."""
    done = subprocess.run([DRC, *map(str, words)], input=stdin, capture_output=True, cwd=cwd,
                          env=drc.env, timeout=120, preexec_fn=limited, **kwargs)
    done.err = done.stderr.decode()  # whatever is in the file, the message is UTF-8
    done.out = done.stdout.decode()
    for sign in ("AddressSanitizer", "runtime error:", "LeakSanitizer"):
        assert sign not in done.err, done.err
    assert done.returncode in (0, 1), (words, done.returncode, done.err[-2000:])
    return done


def refused(drc, *words, **kwargs):
    """Status 1, nothing on stdout, an error in the first line."""
    done = attack(drc, *words, **kwargs)
    assert done.returncode == 1, done.err
    assert done.out == ""
    assert done.err.startswith("error"), done.err[:500]
    assert "\0" not in done.err and "\033" not in done.err
    assert len(done.err) < 4_000_000
    return done


def sound_or_refused(drc, *words, **kwargs):
    done = attack(drc, *words, **kwargs)
    if done.returncode == 1:
        assert done.err.startswith(("error", "warning")), done.err[:500]
    return done


BYTES = [b"\0", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\t", b"\r", b"\n", b"\n\n", b" ", b":", b"-", b"[",
         b"]", b"{", b"}", b'"', b"'", b"&a ", b"*a", b"!!int ", b"|", b">", b"#", b"%", b"@", b"`", b",",
         b"?", b"${", b"}", b"$$", b"~", b"null", b"0x7fffffffffffffff", b"-1", b"1e400", b".nan",
         b"99999999999999999999", b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"\\u0000", b"\\", b"<<: *a"]


def mutated(text, seed):
    """A few spots changed: bytes lost, put in, doubled, swapped with others."""
    chance = random.Random(seed)
    out = bytearray(text)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(out) + 1)
        kind = chance.randrange(5)
        if kind == 0:
            out[at:at] = chance.choice(BYTES)
        elif kind == 1:
            del out[at:at + chance.choice((1, 1, 2, 7, 60))]
        elif kind == 2:
            out[at:at] = out[at:at + chance.choice((3, 40, 400))]
        elif kind == 3:
            out[at:at + 1] = bytes([chance.randrange(256)])
        else:
            other = chance.randrange(len(out) + 1)
            out[at:at + 20] = out[other:other + 20]
    return bytes(out)


WRONG = [None, True, False, 0, -1, 1, 2 ** 31, 2 ** 53, 2 ** 63, -2 ** 63, 1.5, 1e308, "", "x", "\u0001",
         "a" * 70_000, "${self.x}", "../../etc/passwd", [], {}, [[]], [None], {"": 1}, {"x": {}}]


def spots(value, path=()):
    """Every member and element of a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield path + (key,)
        yield from spots(item, path + (key,))


def distorted(document, seed):
    """A JSON document with one to three members of other types, missing, or moved."""
    chance = random.Random(seed)
    document = json.loads(json.dumps(document))
    for _ in range(chance.randint(1, 3)):
        path = chance.choice(list(spots(document)))
        holder = document
        for key in path[:-1]:
            holder = holder[key]
        kind = chance.randrange(4)
        if kind == 0:
            del holder[path[-1]]
        elif kind == 1 and isinstance(holder, list):
            holder.insert(chance.randrange(len(holder)), holder[path[-1]])
        elif kind == 2 and isinstance(holder, dict):
            holder[chance.choice(["x", "", "id", "value", "node"])] = holder[path[-1]]
        else:
            holder[path[-1]] = chance.choice(WRONG)
    return document
