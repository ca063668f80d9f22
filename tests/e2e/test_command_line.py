"""Words, flags, help, exit statuses, where output goes."""
import json
import subprocess

import pytest

from e2e_drc import DRC, ROOT


def test_help_lists_the_commands(drc):
    out = drc("--help").out
    for words in ("plan check", "plan apply", "run resume", "sandbox serve", "explain"):
        assert words in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("words", ["plan check", "plan facts", "plan compile", "plan show",
                                   "plan graph", "plan apply", "run list", "run show", "run resume",
                                   "run report", "run cleanup", "sandbox init", "sandbox serve",
                                   "sandbox show", "explain", "version", "completion"])
def test_each_command_has_help_with_an_example(drc, words):
    out = drc(*words.split(), "--help").out
    assert f"usage: drc {words}" in out
    assert "examples:\n  drc " in out


@pytest.mark.parametrize("words", ["run show", "simulate", "run", ""])
def test_help_as_a_word_is_help_as_a_flag(drc, words):
    assert drc("help", *words.split()).out == drc(*words.split(), "--help").out


@pytest.mark.parametrize("words", ["run list --json", "plan show plans/erp failover --all", "--help",
                                   "version"])
def test_results_that_do_not_get_out_are_an_error(drc, words):
    with open("/dev/full", "w") as full:
        done = subprocess.run([DRC, *words.split()], stdout=full, stderr=subprocess.PIPE, cwd=ROOT,
                              env=drc.env)
    assert done.returncode == 1
    assert done.stderr == b"error: cannot write to standard output: No space left on device\n"


@pytest.mark.parametrize("words", ["run list --json", "help", "plan show plans/erp failover --all"])
def test_a_reader_that_is_gone_is_no_error_of_any_command(drc, words):
    done = subprocess.run(f"set -o pipefail; '{DRC}' {words} | true", shell=True, cwd=ROOT,
                          executable="/bin/bash", env=drc.env, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


def test_closed_standard_files_are_not_taken_for_others(drc, sandbox):
    done = subprocess.run(f"'{DRC}' plan apply plans/shop failover --sandbox '{sandbox}' --yes "
                          "<&- >&- 2>&-", shell=True, cwd=ROOT, env=drc.env)
    assert done.returncode == 0
    assert drc.json("run", "list", "--json")[0]["status"] == "succeeded"


def test_without_words_help_is_shown_and_the_status_is_1(drc):
    assert "usage:" in drc(status=1).out


@pytest.mark.parametrize("words, help_text", [
    (["plan", "chekc"], 'did you mean "drc plan check"?'),
    (["validate"], "drc plan check PLAN"),
    (["apply"], "drc plan apply PLAN WORKFLOW"),
    (["plan", "apply", "-auto-approve", "x"], "--yes"),
    (["plan", "apply", "x", "-target=db"], "--only"),
    (["plan", "check", "--strickt", "x"], "did you mean --strict?"),
    (["plan", "show"], "usage: drc plan show PLAN|GRAPH [WORKFLOW]"),
    (["plan", "compile", "plans/shop", "failver"], "failover"),
    (["run", "show", "nosuch"], ""),
    (["plan", "apply", "plans/shop", "failover", "-sandbox", "x"], "two dashes: --sandbox"),
    (["--sandbox", "x", "plan", "apply"], "flags come behind the command"),
    (["plan", "apply", "failover", "plans/shop"], "the plan comes first: PLAN failover"),
    (["runs", "list"], "drc run list"),
    (["help", "run", "shw"], 'did you mean "drc run show"?'),
])
def test_mistakes_are_told_with_a_way_out(drc, words, help_text):
    done = drc(*words, status=1)
    assert done.out == ""
    assert done.err.startswith("error: ")
    assert help_text in done.err


@pytest.mark.parametrize("words", ["plan diff a b failover", "inject ebs:vol-1"])
def test_what_is_not_built_yet_says_so(drc, words):
    assert "not built yet" in drc(*words.split(), status=1).err


def test_version(drc):
    assert drc("version").out.startswith("drc ")
    assert drc("--version").out == drc("version").out
    assert json.loads(drc("version", "--json").out)["graph_format"] == "drc-graph/1"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_that_the_shell_takes(drc, shell, tmp_path):
    script = drc("completion", shell).out
    assert "failover" in script or shell == "fish"
    if shell == "bash":
        words = subprocess.run(
            ["bash", "-c", script + '\nCOMP_WORDS=(drc plan ""); COMP_CWORD=2; _drc; '
             'echo "${COMPREPLY[@]}"'], capture_output=True, text=True, check=True).stdout
        assert {"check", "compile", "apply"} <= set(words.split())


def test_results_go_to_stdout_and_diagnostics_to_stderr(drc, tmp_path):
    bad = tmp_path / "plan.yaml"
    bad.write_text("version: 1\nname: shop\nnaem: x\n")
    done = drc("plan", "check", bad, status=1)
    assert done.out == "" and "error[" in done.err
    done = drc("plan", "check", "--format", "json", bad, status=1)
    assert all(json.loads(line) for line in done.out.splitlines())


def test_colour_only_where_it_is_wanted(drc, tmp_path):
    bad = tmp_path / "plan.yaml"
    bad.write_text("version: 1\n")
    assert "\033[" not in drc("plan", "check", bad, status=1).err
    assert "\033[" in drc("plan", "check", bad, status=1, CLICOLOR_FORCE="1").err
    assert "\033[" not in drc("plan", "check", bad, status=1, CLICOLOR_FORCE="1", NO_COLOR="1").err


def test_a_result_is_written_whole_or_not_at_all(drc, tmp_path):
    target = tmp_path / "missing" / "graph.json"
    done = drc("plan", "compile", "plans/shop", "failover", "-o", target, status=1)
    assert "cannot write" in done.err and not target.exists()
    drc("plan", "compile", "plans/shop", "failover", "-o", tmp_path / "graph.json")
    assert json.loads((tmp_path / "graph.json").read_text())["format"] == "drc-graph/1"
    assert [p.name for p in tmp_path.iterdir() if "tmp" in p.name] == []


def test_explain_knows_codes_keys_and_actions(drc):
    assert "subnet" in drc("explain", "d0207").out
    assert drc("explain", "vms.private_ip").out
    assert "ec2:CreateVolume" in drc("explain", "create-volume").out
    assert "there is no" in drc("explain", "nonsense", status=1).err


def test_a_reader_that_has_had_enough_is_no_error(drc):
    command = f"set -o pipefail; {DRC} plan show plans/erp failover --all | head -1"
    done = subprocess.run(["bash", "-c", command],
                          capture_output=True, text=True, cwd=ROOT, env=drc.env)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith("erp · failover")


def test_help_has_no_blanks_at_line_ends(drc):
    for words in (["plan", "apply"], ["plan", "check"], ["run", "list"], ["explain"]):
        text = drc(*words, "--help").out
        assert [line for line in text.splitlines() if line != line.rstrip()] == []
        assert max(map(len, text.splitlines())) <= 100
