"""Lines are answered group by group, in order, and an empty one is an error or None."""

import pytest

from textlstm.errors import DataError
from textlstm.inference.line_predictions import predict_lines
from textlstm.inference.predictor import Predictor


@pytest.fixture(scope="module")
def predictor(tmp_path_factory, make_model):
    return Predictor.load(make_model(tmp_path_factory.mktemp("model")), device="cpu")


def test_a_group_is_answered_before_the_next_is_asked_for(predictor):
    asked = []

    def arriving():
        for group in (["good film", " "], ["", "dull"], [""]):
            asked.append(group)
            yield group

    for answered, (lines, found) in enumerate(predict_lines(predictor, arriving(), on_bad_rows="keep"), start=1):
        assert len(asked) == answered
        assert [answer is None for answer in found] == [not line.strip() for line in lines]
        assert [a.label for a in found if a] == [predictor(line)[0].label for line in lines if line.strip()]


def test_an_empty_line_stops_after_the_lines_before_it(predictor):
    answers = predict_lines(predictor, [["good"], ["dull", "", "film"]])
    assert [lines for lines, _ in (next(answers), next(answers))] == [["good"], ["dull"]]
    with pytest.raises(DataError, match="line 3 has no text"):
        next(answers)
