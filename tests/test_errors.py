"""The tree of errors: one base, an exit code each, and no error without a place in the tree."""

import inspect
import pickle

import pytest

from textlstm import errors

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_hangs_on_the_tree_and_has_an_exit_code(kind):
    assert issubclass(kind, errors.TextLSTMError)
    assert kind.exit_code == (1 if issubclass(kind, errors.TrainingError | errors.HubError) else 2)
    assert kind.__name__ in errors.__doc__


def test_a_missing_extra_names_package_and_install_line():
    assert str(errors.MissingExtraError("onnxruntime", "onnx")) == (
        "onnxruntime is needed here and is not installed; pip install 'textlstm[onnx]' brings it."
    )


@pytest.mark.parametrize("error", [errors.DataError("x"), errors.MissingExtraError("onnxruntime", "onnx")])
def test_errors_travel_between_processes(error):
    """A worker's error reaches the parent whole: a class with its own arguments would fail to be rebuilt."""
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - as concurrent.futures does
    assert type(again) is type(error)
    assert str(again) == str(error)


def test_the_first_line_of_an_error_is_never_nothing():
    assert errors.first_line(ValueError("\n  one\n two")) == "one"
    assert errors.first_line(RuntimeError("  \n")) == "RuntimeError"
    assert errors.first_line(ValueError(f"odd {object()}")) == "odd <object object>"
