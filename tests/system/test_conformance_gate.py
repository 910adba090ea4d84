"""scripts/conformance must not take a run for a good one that was none, or that left something out."""

import importlib.util
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "conformance"
RESULTS = "config:\n  registry: x\napis:\n  Ping: Pass\n  Blob get: Pass\ndata:\n  Image: Pass\n"
JUNIT = '<testsuites><testsuite tests="{tests}" failures="{failures}" errors="{errors}"{more}>{cases}</testsuite></testsuites>'
CASE = '<testcase name="{}" status="{}"/>'


@pytest.fixture(scope="module")
def gate():
    loader = SourceFileLoader("conformance", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("conformance", loader))
    sys.modules["conformance"] = module  # dataclasses look their module up
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


def judge(gate, tmp_path, name, junit, results=None, floor=2):
    suite = next(suite for suite in gate.SUITES if suite.name == name)
    if junit is not None:
        (tmp_path / "junit.xml").write_text(junit)
    if results is not None:
        (tmp_path / "results.yaml").write_text(results)
    suite = gate.Suite(suite.name, suite.version, floor, suite.build, suite.env, suite.read, suite.may_skip)
    return gate.verdict(suite.read(tmp_path, suite), suite)


def junit(tests=2, failures=0, errors=0, more="", cases=("passed", "passed")):
    return JUNIT.format(tests=tests, failures=failures, errors=errors, more=more,
                        cases="".join(CASE.format(n, status) for n, status in enumerate(cases)))


def test_a_whole_run_counts(gate, tmp_path):
    assert judge(gate, tmp_path, "main", junit(), RESULTS) == []


@pytest.mark.parametrize("report, results, says", [
    (junit(failures=1), RESULTS, "1 failed"),
    (junit(errors=1), RESULTS, "1 errors"),
    (junit(more=' skipped="1"'), RESULTS, "1 skipped"),
    (junit(more=' disabled="1"'), RESULTS, "1 skipped"),
    (junit(tests=1), RESULTS, "only 1 passed"),
    (junit(cases=("passed", "failure")), RESULTS, "1: failure"),
    (junit(), RESULTS.replace("Blob get: Pass", "Blob get: Skip"), "Blob get: Skip"),
    (junit(), RESULTS.replace("Image: Pass", "Image: FAIL"), "Image: FAIL"),
])
def test_less_does_not(gate, tmp_path, report, results, says):
    wrong = judge(gate, tmp_path, "main", report, results)
    assert any(says in line for line in wrong), wrong


@pytest.mark.parametrize("report, results", [
    (None, RESULTS), (junit(), None), (junit(), ""), ("<testsuites/>", RESULTS), ("nothing", RESULTS),
    (junit(), "apis:\n  Ping: Pass\n"),
])
def test_no_run_is_no_good_run(gate, tmp_path, report, results):
    with pytest.raises(gate.CannotRun):
        judge(gate, tmp_path, "main", report, results)


def test_the_older_suite(gate, tmp_path):
    def case(name, inside=""):
        return f'<testcase name="{name}">{inside}</testcase>'
    two = case("[It] Pull one") + case("[It] Push two")
    mounted = case("[It] Mount Cross-mounting of nonexistent blob should yield session id", "<skipped/>")
    wrap = "<testsuites><testsuite>{}</testsuite></testsuites>".format
    assert judge(gate, tmp_path, "v1", wrap(two + mounted + case("[BeforeSuite]"))) == []
    for bad, says in ((case("[It] x", "<failure/>"), "1 failed"), (case("[It] x", "<error/>"), "1 failed"),
                      (case("[It] x", "<skipped/>"), "1 skipped")):
        assert any(says in line for line in judge(gate, tmp_path, "v1", wrap(two + bad)))
    assert any("only 1" in line for line in judge(gate, tmp_path, "v1", wrap(case("[It] Pull one"))))


def test_go_that_is_too_old_is_told(gate, tmp_path, monkeypatch):
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho go version go1.19.8 linux/amd64\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(gate, "GO_LEAST", (99, 0))
    with pytest.raises(gate.CannotRun, match="99.0 or later"):
        gate.find_go()
