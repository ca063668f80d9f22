"""Any bytes as a plan: told, never a crash, a hang or unbounded memory."""
import os
import subprocess
import shutil

import pytest

from attack import attack, mutated, refused, sound_or_refused
from e2e_drc import DRC, ROOT

REFERENCE = ROOT / "examples/reference/plan.yaml"
SHOP = ROOT / "plans/shop/plan.yaml"


def bomb(anchors, width):
    lines = ["a0: &a0 [x, x]"]
    for i in range(1, anchors):
        lines.append(f"a{i}: &a{i} [" + ", ".join([f"*a{i - 1}"] * width) + "]")
    return "\n".join(lines).encode()


BAD = {
    "empty": (b"", "holds no plan"),
    "comments only": (b"# a plan\n\n", "holds no plan"),
    "a byte order mark alone": (b"\xef\xbb\xbf", "holds no plan"),
    "NUL bytes": (b"\0\0\0", "NUL byte"),
    "a NUL byte in a name": (b"version: 1\nname: sh\0op\n", "NUL byte"),
    "invalid UTF-8": (b"version: \xff\xfe\n", "not valid UTF-8"),
    "overlong UTF-8": (b"name: \xc0\xaf\n", "not valid UTF-8"),
    "half a surrogate": (b"name: \xed\xa0\x80\n", "not valid UTF-8"),
    "cut UTF-8": (b"name: \xe2\x82", "not valid UTF-8"),
    "latin 1": ("name: Müller\n".encode("latin1"), "iconv"),
    "UTF-16": ("version: 1\n".encode("utf-16"), "UTF-16"),
    "UTF-32": ("version: 1\n".encode("utf-32"), "UTF-16 or UTF-32"),
    "UTF-16 without a mark": ("version: 1\n".encode("utf-16-le"), "UTF-16 or UTF-32"),
    "control characters": (b"name: \x1b[31mshop\n", "error[D"),
    "tabs": (b"vms:\n\tdb: 1\n", "indented by a TAB"),
    "a program": (open(DRC, "rb").read(200_000), "error[D"),
    "100,000 brackets": (b"[" * 100_000, "levels deep"),
    "100,000 braces": (b"{a: " * 100_000, "levels deep"),
    "100,000 dashes": (b"- " * 100_000, "levels deep"),
    "100,000 closing brackets": (b"]" * 100_000, "not well-formed"),
    "100,000 question marks": (b"? " * 100_000, "error[D"),
    "an alias bomb": (bomb(40, 9), "4,000,000 values"),
    "40,000 anchors": (b"".join(b"- &a%d x\n" % i for i in range(40_000)), "more than 64 anchors"),
    "an alias of itself": (b"a: &a [*a]\n", "error[D"),
    "an unknown alias": (b"a: *b\n", "error[D"),
    "a huge number": (b"version: " + b"9" * 100_000, "does not fit into 64 bits"),
    "a number to infinity": (b"version: 1e999999\n", "error[D"),
    "a key of a megabyte": (b"k" * 1_000_000 + b": 1\n", "error[D"),
    "a line of 20 MB": (b"name: " + b"x" * 20_000_000 + b"\n", "a line of"),
    "a million empty lines": (b"\n" * 1_000_000, "holds no plan"),
    "100,000 unknown keys": (b"".join(b"k%d: 1\n" % i for i in range(100_000)), "first 1000 are shown"),
    "100,000 equal keys": (b"name: shop\n" * 100_000, "error[D"),
    "100,000 documents": (b"---\nversion: 1\n" * 100_000, "error[D"),
    "a tag": (b"!!python/object:os.system [ls]\n", "error[D"),
    "a directive": (b"%YAML 9.9\n---\nversion: 1\n", "error[D"),
    "a list": (b"- 1\n- 2\n", "error[D"),
    "a word": (b"shop\n", "error[D"),
    "an open quote": (b'name: "shop\nversion: 1\n', "error[D"),
    "a later version": (b"version: 2\nname: shop\n", "error[D"),
    "HTML": (b"<!DOCTYPE html>\n<html><body>Not Found</body></html>\n", "error[D"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_bytes(drc, tmp_path, name):
    text, words = BAD[name]
    plan = tmp_path / "plan.yaml"
    plan.write_bytes(text)
    assert words in refused(drc, "plan", "check", plan).err
    refused(drc, "plan", "apply", plan, "failover", "--yes", "--sandbox", tmp_path / "aws")
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("format", ["json", "sarif", "github"])
@pytest.mark.parametrize("name", ["NUL bytes", "invalid UTF-8", "UTF-16", "a program", "a line of 20 MB",
                                  "100,000 unknown keys", "control characters"])
def test_bad_bytes_in_each_format(drc, tmp_path, name, format):
    plan = tmp_path / "plan.yaml"
    plan.write_bytes(BAD[name][0])
    done = attack(drc, "plan", "check", "--format", format, plan)
    assert done.returncode == 1 and done.err == ""
    assert "D0" in done.out and "\033" not in done.out and "\0" not in done.out


@pytest.mark.parametrize("spelling", ["crlf", "bom", "bom and crlf", "cr", "no line end"])
def test_other_spellings_of_a_sound_plan_are_sound(drc, shop, spelling):
    text = shop.read_bytes().rstrip(b"\n") + b"\n"
    shop.write_bytes({"crlf": text.replace(b"\n", b"\r\n"), "bom": b"\xef\xbb\xbf" + text,
                      "bom and crlf": b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"),
                      "cr": text.replace(b"\n", b"\r"), "no line end": text[:-1]}[spelling])
    assert "no errors" in attack(drc, "plan", "check", shop).err
    assert "db/start-instance" in attack(drc, "plan", "show", shop, "failover").out


def test_a_file_of_a_gibibyte_is_refused_unread(drc, tmp_path):
    plan = tmp_path / "plan.yaml"
    with open(plan, "wb") as file:
        file.truncate(1 << 30)
    for words in (["check", plan], ["show", plan, "failover"], ["compile", SHOP, "failover", "--facts", plan],
                  ["apply", plan, "failover", "--yes"]):
        assert "larger than 64 MiB" in refused(drc, "plan", *words).err


@pytest.mark.parametrize("path, words", [
    ("/dev/zero", "larger than 64 MiB"), ("/dev/null", "holds no plan"), ("/proc/self/mem", "error"),
    ("/", "a folder stands for the plan.yaml in it"), ("no/such/plan.yaml", "No such file"), ("", "error"),
    ("x" * 5000, "File name too long"), ("plans/shop/plan.yaml/x", "Not a directory"),
])
def test_what_is_no_plan_file(drc, path, words):
    assert words in refused(drc, "plan", "check", path).err
    assert words in refused(drc, "plan", "show", path, "failover").err


def test_a_directory_named_plan_yaml(drc, tmp_path):
    (tmp_path / "plan.yaml").mkdir()
    assert "error: reading" in refused(drc, "plan", "check", tmp_path).err


def test_an_unreadable_plan(drc, shop):
    shop.chmod(0)
    # root reads everything, unless these two are taken from it.
    less = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.getuid() == 0 else []
    done = subprocess.run([*less, DRC, "plan", "check", shop], capture_output=True, text=True, env=drc.env)
    assert done.returncode == 1 and "Permission denied" in done.stderr


def test_plans_come_through_pipes_too(drc, tmp_path):
    text = SHOP.read_bytes()
    folder = SHOP.parent
    for path in ("-", "/dev/stdin"):
        assert attack(drc, "plan", "check", path, stdin=text, cwd=folder).returncode == 0
        assert "db/start-instance" in \
            attack(drc, "plan", "show", path, "failover", stdin=text, cwd=folder).out
    graph = drc("plan", "compile", SHOP, "failover").out.encode()
    for path in ("-", "/dev/stdin"):
        assert "db/start-instance" in attack(drc, "plan", "show", path, stdin=graph).out


def test_cut_off_anywhere(drc, tmp_path):
    """The reference plan, which has every key, cut at each 997th byte."""
    shutil.copytree(REFERENCE.parent, tmp_path / "plan")
    plan = tmp_path / "plan" / "plan.yaml"
    text = plan.read_bytes()
    for length in range(1, len(text), 997):
        plan.write_bytes(text[:length])
        sound_or_refused(drc, "plan", "check", plan)


@pytest.mark.parametrize("start", range(0, 300, 50))
def test_spoilt_by_seed(drc, tmp_path, start):
    shutil.copytree(REFERENCE.parent, tmp_path / "plan")
    plan = tmp_path / "plan" / "plan.yaml"
    text = plan.read_bytes()
    told = 0
    for seed in range(start, start + 50):
        plan.write_bytes(mutated(text, seed))
        told += sound_or_refused(drc, "plan", "check", plan).returncode
        sound_or_refused(drc, "plan", "show", plan, "failover")
    assert 20 <= told


@pytest.mark.parametrize("word", ["a=\0", "=", "", "=x", "domain", "domain=" + "x" * 100_000, "domain=\xff",
                                  "nosuch=1", "domain=${vars.domain}"])
def test_bad_variables(drc, word):
    if "\0" in word:
        word = word.replace("\0", "\x01")
    sound_or_refused(drc, "plan", "check", REFERENCE, "--var", word)
