"""What the documentation repeats from the code is what the code says; `python tests/test_docs.py` writes it."""

import json
from pathlib import Path

from textlstm.analysis.summary import Comparison
from textlstm.stats.decision import rule_table

DOCS = Path(__file__).parents[1] / "docs"
BEGIN, END = "<!-- rules -->\n", "<!-- end of rules -->"


def statistics():
    before, _, rest = (DOCS / "statistics.md").read_text("utf-8").partition(BEGIN)
    return f"{before}{BEGIN}{rule_table().strip()}\n{END}{rest.partition(END)[2]}"


def schema():
    return json.dumps(Comparison.model_json_schema(), indent=1) + "\n"


def test_the_rules_in_the_documentation_are_those_that_decide():
    assert (DOCS / "statistics.md").read_text("utf-8") == statistics()


def test_the_schema_of_the_summary_is_up_to_date():
    assert (DOCS / "summary.schema.json").read_text("utf-8") == schema()


if __name__ == "__main__":
    (DOCS / "statistics.md").write_text(statistics(), "utf-8")
    (DOCS / "summary.schema.json").write_text(schema(), "utf-8")
