"""Secrets that are planted, and looked for afterwards in everything that drc leaves behind."""
import base64
import random
import re
import string
import urllib.parse

URL_SAFE = bytes.maketrans(b"+/", b"-_")


class Planted:
    """A secret of its own name, like AWS's own: letters, digits, slashes, pluses."""

    def __init__(self, name, length=40):
        chance = random.SystemRandom()
        letters = string.ascii_letters + string.digits + "/+"
        self.name = name
        self.value = "".join(chance.choice(letters) for _ in range(length - 2)) + "/+"

    def __str__(self):
        return self.value

    def written(self):
        """Every writing of it that a text may have."""
        raw = self.value.encode()
        encoded = [base64.b64encode(b"x" * before + raw + b"y" * (-(len(raw) + before) % 3)) for before in range(3)]
        quoted = urllib.parse.quote(self.value, safe="")
        lower = re.sub("%..", lambda found: found[0].lower(), quoted)
        return [raw, raw[:-9], raw.replace(b"/", b"\\/"), quoted.encode(), lower.encode(), raw.hex().encode(),
                raw.hex().upper().encode(), *encoded, *(text.translate(URL_SAFE) for text in encoded)]

    def signs(self):
        """Bytes that nothing but this secret has: of each writing the beginning, since texts get cut."""
        return {text[4:20] if number > 6 else text[:16] for number, text in enumerate(self.written())}


def found_in(bytes_, secrets):
    """Names of the secrets of which any form is in there."""
    return sorted({f"{secret.name}: {sign!r}" for secret in secrets for sign in secret.signs() if sign in bytes_})


def files_below(folder):
    """Every file, those of SQLite with their write-ahead logs as they lie there."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]
