"""The conformance cases as pytest tests: all are run once, side by side, then each test
looks at its own result. A case that is merely not strict passes with a word about it.
"""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import cases  # noqa: E402
import run  # noqa: E402
import suite  # noqa: E402
from server import Server, program  # noqa: E402

cases.load()


@pytest.fixture(scope="module")
def results(request):
    if program() is None:
        pytest.fail("set FANWIRED to the program under test")
    chosen = {item.callspec.params["id"] for item in request.session.items
              if "id" in getattr(getattr(item, "callspec", None), "params", {})}
    with Server(run.servers_options()) as server:
        yield {("TLS" if target.tls else "plain"): suite.run_all(target,
                                                                only=chosen.__contains__)
               for target in server.targets}


@pytest.mark.parametrize("id", sorted(suite.CASES, key=suite.sort_key))
@pytest.mark.parametrize("transport", ["plain", "TLS"])
def test_case(results, transport, id):
    result = results[transport][id]
    if result.verdict == suite.FAIL:
        pytest.fail("%s (RFC 6455 %s)\n%s" % (suite.CASES[id].sentence,
                                             suite.CASES[id].expectation, result.detail),
                    pytrace=False)
    if result.detail:
        print("%s: %s" % (result.verdict, result.detail))


def test_there_are_enough_cases():
    """A chapter that isn't loaded any more must be noticed."""
    assert len(suite.CASES) >= 720
    assert {suite.chapter(i) for i in suite.CASES} == set(suite.CHAPTERS)
