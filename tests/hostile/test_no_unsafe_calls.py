"""The package's own source: nothing in it unpickles, evaluates, or trusts a repository's code."""

import ast
from pathlib import Path

import pytest

import textlstm

SOURCES = sorted(Path(textlstm.__file__).parent.rglob("*.py"))
FORBIDDEN_NAMES = {"eval", "exec", "compile", "__import__", "breakpoint"}
FORBIDDEN_CALLS = {
    *("torch.load", "torch.jit.load", "torch.package", "torch.hub.load", "pickle.load", "pickle.loads", "joblib.load"),
    *("yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load", "marshal.loads", "shelve.open", "dill.loads"),
    *("os.system", "os.popen", "subprocess.getoutput", "tarfile.extractall", "pd.read_pickle"),
}
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}


def name_of(node):
    """The dotted name that a call or an attribute stands for; empty for what has none."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return ""


def faults(tree):
    """Sentences on what a module does and should not."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (f"imports {name}" for name in modules if name.partition(".")[0] in FORBIDDEN_MODULES)
        if not isinstance(node, ast.Call):
            continue
        name = name_of(node.func)
        if name in FORBIDDEN_NAMES | FORBIDDEN_CALLS:
            yield f"calls {name}"
        given = {word.arg: word.value for word in node.keywords}
        for option in ("trust_remote_code", "allow_pickle", "shell"):
            if option in given and not (isinstance(given[option], ast.Constant) and given[option].value is False):
                yield f"calls {name} with {option}={ast.unparse(given[option])}"
        loads = name.endswith(".from_pretrained")
        if loads and name.partition(".")[0].startswith("Auto") and "trust_remote_code" not in given:
            yield f"calls {name} without trust_remote_code=False"
        if loads and "Model" in name and ast.unparse(given.get("use_safetensors", ast.Constant(None))) != "True":
            yield f"calls {name} without use_safetensors=True"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_module_makes_no_unsafe_call(path):
    assert not [*faults(ast.parse(path.read_text("utf-8")))]


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "eval('1')",
        "torch.load(path)",
        "np.load(path, allow_pickle=True)",
        "AutoModel.from_pretrained(path, trust_remote_code=trust, use_safetensors=True)",
        "AutoTokenizer.from_pretrained(path)",
        "TextLSTMModel.from_pretrained(path)",
    ],
)
def test_the_look_finds_what_it_looks_for(source):
    assert [*faults(ast.parse(source))]
