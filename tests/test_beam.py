"""Beam's options from a command line, and its workers' errors."""

import sys

import pytest
from absl import flags

from dcmls_tf import beam
from dcmls_tf.errors import UserError


def test_a_workers_error_is_found_in_what_the_runner_says():
    said = (
        "Traceback (most recent call last):\n  File ...\n"
        "dcmls_tf.errors.UserError: --raw_dir: 3.png is damaged [while running 'Read-ptransform-9']"
        "\n\nDuring handling of the above exception"
    )
    with (
        pytest.raises(UserError, match=r"^--raw_dir: 3\.png is damaged$"),
        beam.errors_of_workers(),
    ):
        raise RuntimeError(said)
    with pytest.raises(RuntimeError, match="of its own"), beam.errors_of_workers():
        raise RuntimeError("an error of its own")


def test_arguments_without_a_runner_are_refused(monkeypatch):
    values = flags.FlagValues()
    flags.DEFINE_string("runner", None, "", flag_values=values)
    values(["script"])
    monkeypatch.setattr(flags, "FLAGS", values)
    assert beam.from_flags(["script"]) is None
    with pytest.raises(UserError, match="'--parallelism=3': give --runner"):
        beam.from_flags(["script", "--parallelism=3"])


def test_without_beam_the_runner_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam.options", None)
    with pytest.raises(UserError, match=r"--runner=DirectRunner: needs Apache Beam.*beam\.txt"):
        beam.options("DirectRunner")


def chosen(*arguments):
    pytest.importorskip("apache_beam", reason="is tested with requirements/beam.txt installed")
    return beam.options("DirectRunner", arguments).get_all_options(drop_default=True)


def test_the_direct_runner_uses_every_core_unless_told():
    assert chosen()["direct_running_mode"] == "multi_processing"
    assert chosen()["direct_num_workers"] == 0
    assert chosen("--direct_num_workers=3")["direct_num_workers"] == 3
    assert "direct_running_mode" not in chosen("--direct_running_mode=in_memory")


def test_what_beam_refuses_is_a_sentence():
    with pytest.raises(UserError, match="direct_running_mode: invalid choice: 'all'"):
        chosen("--direct_running_mode=all")
    with pytest.raises(UserError, match=r"--runner=Fast: .*Unexpected pipeline runner"):
        beam.options("Fast")
