"""A served export under load: `serving_load.py` with fewer requests than its 5,000."""

import pytest
import serving_load


@pytest.mark.slow
def test_mixed_requests_get_right_answers_or_reasons_and_memory_stays(tmp_path):
    report = serving_load.run(requests=400, clients=3, seed=0, folder=tmp_path)
    assert report["wrong_ones"] == []
    assert report["requests"] == 400
    assert min(report["good"], report["bad"]) > 50
    assert report["refused"] >= report["bad"]
    # Of a decoded bomb there would be a gigabyte more.
    assert report["server_peak_kb"] < 1.1 * report["server_memory_kb"][0]
    assert report["server_memory_growth"] < 0.02


def test_wrong_answers_are_seen():
    """The judge itself: what it says of answers and refusals that are wrong."""
    good = serving_load.Request("rest", b"", "hands", answer={"joints": [[1.0]]})
    bad = serving_load.Request("rest", b"", "hands", refusal="box: row 0")
    either = serving_load.Request("rest", b"", "hands")
    right, off, broken = (
        b'{"outputs": {"joints": [[%s]]}}' % value for value in (b"1.0", b"1.1", b"NaN")
    )
    assert serving_load.judge(good, "OK", right) == ("answered", "")
    assert "is off by" in serving_load.judge(good, "OK", off)[1]
    assert "not finite" in serving_load.judge(either, "OK", broken)[1]
    assert "refused" in serving_load.judge(good, "INVALID_ARGUMENT", b"box: row 0")[1]
    assert serving_load.judge(bad, "INVALID_ARGUMENT", b"box: row 0 is") == ("refused", "")
    assert "not 'box: row 0'" in serving_load.judge(bad, "INVALID_ARGUMENT", b"MatrixInverse")[1]
    assert "answered" in serving_load.judge(bad, "OK", right)[1]
    assert serving_load.judge(either, "INTERNAL", b"oops")[0] == "failed"
