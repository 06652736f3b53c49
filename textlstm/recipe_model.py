"""The `model:` part of a recipe, derived from TextLSTMConfig's source so that each option has one home.

The source is read with `ast`, not imported: a recipe must be readable without torch and transformers (2 s), and a
string below a field, which Python forgets at run time, is that field's reference text.
"""

from __future__ import annotations

import ast
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, create_model, field_validator

_SOURCE = Path(__file__).parent / "model" / "configuration_textlstm.py"
_LARGEST = 10**12  # no count or seed is larger, and arithmetic on what is overflows
_NAMES: dict[str, Any] = {"int": int, "float": float, "str": str, "bool": bool, "list": list, "dict": dict}


class Section(BaseModel):
    """A part of a recipe: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, protected_namespaces=())

    @field_validator("*", mode="before")
    @classmethod
    def _yes_is_no_number(cls, value: object, info: ValidationInfo) -> object:
        """Refuse the yes and true of YAML where a number stands, which Python would take for a 1."""
        annotation = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, bool) and bool not in (annotation, *get_args(annotation)):
            raise ValueError(f"yes or no does not fit here; the value is {value}")
        return value

    @field_validator("*")
    @classmethod
    def _countable(cls, value: object) -> object:
        """Refuse whole numbers that nothing can have."""
        if any(isinstance(one, int) and abs(one) > _LARGEST for one in (value if isinstance(value, list) else [value])):
            raise ValueError(f"whole numbers should be at most {_LARGEST:,}, and this is larger")
        return value


def _annotation(node: ast.expr) -> Any:  # noqa: ANN401 - a type expression has no narrower type
    """Turn the syntax of an annotation into the type that it names."""
    match node:
        case ast.Constant(value=None):
            return None
        case ast.Name(id=name):
            return _NAMES[name]
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return reduce(or_, [_annotation(left), _annotation(right)])
        case ast.Subscript(value=ast.Name(id="Literal"), slice=inner):
            values = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            return Literal[tuple(ast.literal_eval(value) for value in values)]
        case ast.Subscript(value=ast.Name(id=outer), slice=inner):
            return _NAMES[outer][_annotation(inner)]
    raise TypeError(f"{_SOURCE.name}: an option's annotation should be plain, and this is not: {ast.unparse(node)}")


def model_section() -> type[Section]:
    """Build the pydantic class of a recipe's `model:` part.

    Returns:
        A class with one field for each option of `TextLSTMConfig` that the data does not decide.
    """
    body = ast.parse(_SOURCE.read_text("utf-8")).body
    constants = {
        _target(node): node.value for node in body if isinstance(node, ast.Assign | ast.AnnAssign) and node.value
    }
    aliases: dict[str, ast.expr] = {
        name: value for name, value in constants.items() if isinstance(value, ast.Subscript | ast.BinOp)
    }
    decided_by_data = set(ast.literal_eval(constants["DATA_FIELDS"]))
    config = next(node for node in body if isinstance(node, ast.ClassDef) and node.name == "TextLSTMConfig")
    fields: dict[str, Any] = {}
    for statement, following in zip(config.body, config.body[1:], strict=False):
        if not isinstance(statement, ast.AnnAssign) or statement.value is None:
            continue
        name = _target(statement)
        if name in decided_by_data or ast.unparse(statement.annotation).startswith("ClassVar"):
            continue
        resolved = _Resolve(aliases).visit(statement.annotation)
        default = ast.literal_eval(statement.value)
        fields[name] = (_annotation(resolved), Field(default, description=_docstring(following)))
    # Workers take recipes by pickle, which looks the class up where it is given its name.
    return create_model("ModelSection", __base__=Section, __module__="textlstm.recipe", **fields)


def _target(node: ast.Assign | ast.AnnAssign) -> str:
    """Name what an assignment binds."""
    return ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)


def _docstring(node: ast.stmt) -> str:
    """Read the bare string below a field, in one line."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return " ".join(node.value.value.split())
    return ""


class _Resolve(ast.NodeTransformer):
    """Puts the meaning of a module-level alias such as `Pooling = Literal[...]` in its place."""

    def __init__(self, aliases: dict[str, ast.expr]) -> None:
        self.aliases = aliases

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Replace an alias, however deep it stands."""
        return self.visit(self.aliases[node.id]) if node.id in self.aliases else node
