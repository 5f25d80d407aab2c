"""The layout of the code. What is allowed stands in the literal tables below, each exception with its reason.

- Imports run one way, also inside functions and under TYPE_CHECKING, and there are no cycles.
- flow/ is pure: the standard library only, a step imports earlier steps only.
- flow/ and guard/ read no clock and no random numbers, and name no product and no host.
- Only settings.py reads the environment; no module is imported by a name made at run time.
- Broad excepts and silenced linters carry a reason.
- No file speaks of the machine that it was written on.
"""

from __future__ import annotations

import ast
import re
import sys
from graphlib import CycleError, TopologicalSorter

import pytest

from tests import source_tree
from tests.source_tree import (
    comments,
    dotted,
    imports,
    modules,
    names_in,
    our_imports,
    part,
    python_files,
    repository_files,
    shown,
    source_without_comments,
    steps_of_flow,
    tree,
)

# Which part may import which others; a part always may import itself. Parts are the folders and files of driftguard/.
LAYERS: dict[str, set[str]] = {
    "errors": set(),
    "loopback": set(),  # a fact of addresses that adapters and entries both ask for
    "flow": {"errors"},
    "policies_folder": {"errors"},
    "policy_file": {"errors", "flow"},
    "settings": {"errors", "flow", "policies_folder"},
    "render": {"errors", "flow", "guard"},  # the results that are told are the verbs' own
    "guard": {"errors", "flow"},
    "adapters": {"errors", "flow", "render", "loopback"},
    "sandbox": {"errors", "flow.resource"},
    "system_clock": set(),
    "wiring_places": {"errors", "flow", "guard", "adapters", "settings", "system_clock"},
    "wiring": {"errors", "flow", "guard", "adapters", "render", "settings", "policy_file", "policies_folder",
               "system_clock", "wiring_places"},
    "__main__": {"entry"},
    "entry": {"errors", "loopback", "flow", "guard", "render", "settings", "policy_file", "policies_folder", "sandbox",
              "system_clock", "wiring", "wiring_places"},
}  # fmt: skip

# The steps of flow/ in their order: a file imports only files that stand before it.
STEPS = [
    "moment", "strict_json", "blob_url", "resource", "reading", "path", "identity", "place", "secret_shapes",
    "secrets", "canonical", "condition", "classify", "diff", "patch", "raw_form", "normalised",
    "treated", "settled", "attribute", "platform_table", "retention", "policy", "policy_overlap", "policy_notices", "record",
    "check", "compare", "presence", "decide", "halt", "ledger", "anchor", "evidence", "ticket",
    "review", "access",
]  # fmt: skip
BESIDE_THE_STEPS = {
    "ports": "the Protocols: they name the types of any step, and no step calls them",
    "http_answers": "a table for counting: adapters and entries ask it, no step counts",
    "telemetry": "a port of its own, with the table of what may be measured; no step measures",
    "copy_mark": "the row that marks a store as a copy: the copy writes it, adapters and entries ask for it",
}
PORTS_IN_A_STEP = {
    "secrets": "a secret becomes a mark through the Sealer that it is given",
    "record": "hands the Sealer on to secrets",
}

ENVIRONMENT = {
    "driftguard/settings.py": "the one reader of the environment",
}

CLOCKS = [
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns", "time.monotonic",
    "time.sleep", "time.perf_counter", "uuid.uuid1", "uuid.uuid4", "uuid4", "random", "secrets.token_hex",
    "secrets.token_bytes", "secrets.token_urlsafe", "secrets.choice", "secrets.randbelow", "os.urandom",
]  # fmt: skip

PRODUCTS = [
    "servicenow", "service-now", "jira", "atlassian", "github", "gitlab", "jenkins", "azure devops", "azuredevops",
    "dev.azure.com", "visualstudio.com", "sqlite", "azurite", "cosmosdb", "core.windows.net", "slack",
    "pagerduty", "management.azure.com", "management.usgovcloudapi", "management.chinacloudapi",
    "login.microsoftonline", "graph.microsoft.com",
]  # fmt: skip
PRODUCTS_ALLOWED = {
    "driftguard/flow/secret_shapes.py": "says whose tokens a shape finds",
    "driftguard/flow/resource.py": "the table of ARM's hosts, one a cloud: an id may be given as a URL",
    "driftguard/flow/blob_url.py": "the table of the hosts of blobs, one a cloud: an address is a blob's id",
}

MACHINE_PATHS = ["/work/", "../shared/corpus"]
MACHINE_PATHS_ALLOWED = {
    "tests/test_architecture.py": "this table",
    "tests/corpus.py": "finds recorded traffic beside the checkout",
    "benchmarks/corpus.py": "finds recorded traffic beside the checkout",
}


def test_every_part_of_the_package_stands_in_the_table_of_layers() -> None:
    found = {part(dotted(path)) for path in modules()} - {""}
    assert not found - set(LAYERS), "say in LAYERS what the new part may import"


def test_imports_run_one_way() -> None:
    wrong = []
    for path in modules():
        own = part(dotted(path))
        for line, module in our_imports(path):
            wanted = part(module)
            allowed = LAYERS.get(own, set()) | {own, ""}
            if wanted not in allowed and module.removeprefix("driftguard.") not in allowed:
                wrong.append(f"{shown(path)}:{line} imports {module}")
    assert not wrong


def test_there_are_no_import_cycles() -> None:
    graph = {dotted(path): {module for _, module in our_imports(path)} - {dotted(path)} for path in modules()}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as cycle:
        pytest.fail(" imports ".join(reversed(cycle.args[1])))


@pytest.mark.parametrize("pure", ["flow", "sandbox"])
def test_judgement_and_the_sandbox_need_the_standard_library_only(pure: str) -> None:
    wrong = [
        f"{shown(path)}:{line} imports {module}"
        for path in modules()
        if part(dotted(path)) == pure
        for line, module in imports(path)
        if module.partition(".")[0] not in sys.stdlib_module_names | {"driftguard"}
    ]
    assert not wrong


def test_every_file_of_flow_stands_in_the_order_of_steps() -> None:
    found = {path.stem for path in steps_of_flow()}
    assert not found - set(STEPS) - set(BESIDE_THE_STEPS), "give the new step its place in STEPS"
    assert not [
        path for path in modules() if dotted(path).startswith("driftguard.flow.") and dotted(path).count(".") > 2
    ]


def test_a_step_imports_earlier_steps_only() -> None:
    wrong = []
    for path in steps_of_flow():
        if path.stem not in STEPS:
            continue
        earlier = set(STEPS[: STEPS.index(path.stem)]) | ({"ports"} if path.stem in PORTS_IN_A_STEP else set())
        for line, module in our_imports(path):
            if part(module) == "flow" and module.rpartition(".")[2] not in earlier:
                wrong.append(f"{shown(path)}:{line} imports {module}")
    assert not wrong


def test_the_package_itself_imports_nothing() -> None:
    assert not list(imports(source_tree.PACKAGE / "__init__.py")), (
        "a command starts at once: __init__.py holds the version only"
    )


def test_no_module_is_imported_by_a_name_made_at_run_time() -> None:
    wrong = [
        f"{shown(path)}:{line} {name}"
        for path in modules()
        for line, name in names_in(path)
        if name in ("importlib.import_module", "__import__", "pkgutil.resolve_name")
    ]
    assert not wrong, "adapters and the like stand in a literal dict"


def test_only_the_settings_read_the_environment() -> None:
    wrong = [
        f"{shown(path)}:{line} {name}"
        for path in modules()
        if shown(path) not in ENVIRONMENT
        for line, name in names_in(path)
        if re.fullmatch(r"os\.(environb?|getenvb?|putenv)(\..*)?", name)
    ]
    assert not wrong


def test_judgement_and_verbs_read_no_clock_and_no_random_numbers() -> None:
    wrong = [
        f"{shown(path)}:{line} {name}"
        for path in modules()
        if part(dotted(path)) in ("flow", "guard")
        for line, name in names_in(path)
        for clock in CLOCKS
        if not name.startswith("driftguard.") and mentions(name, clock)
    ]
    assert not wrong, "pass the moment, the wait or the id in: ports.Clock"


def mentions(name: str, wanted: str) -> bool:
    """`datetime.datetime.now` mentions `datetime.now`'s end and `random.choice` mentions `random`."""
    return f".{wanted}." in f".{name}." or name.endswith(f".{wanted}")


def test_judgement_and_verbs_name_no_product_and_no_host() -> None:
    wrong = [
        f"{shown(path)}:{line} {product}"
        for path in modules()
        if part(dotted(path)) in ("flow", "guard") and shown(path) not in PRODUCTS_ALLOWED
        for line, text in source_without_comments(path)
        for product in PRODUCTS
        if product in text.lower()
    ]
    assert not wrong


def test_a_broad_except_carries_its_reason() -> None:
    wrong = []
    for path in python_files():
        reasons = {line for line, _, text in comments(path) if re.search(r"# reason: \S", text)}
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ExceptHandler) and _is_broad(node.type) and node.lineno not in reasons:
                wrong.append(f"{shown(path)}:{node.lineno}")
    assert not wrong, "name the exceptions, or say why not: `except Exception:  # reason: …`"


def _is_broad(caught: ast.expr | None) -> bool:
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(name is None or ast.unparse(name) in ("Exception", "BaseException") for name in names)


def test_a_silenced_linter_or_type_check_names_its_code_and_reason() -> None:
    wrong = [
        f"{shown(path)}:{line} {text}"
        for path in python_files()
        for line, _, text in comments(path)
        for silenced in re.finditer(r"#\s*((ruff|flake8):\s*)?(noqa|type:\s*ignore)(?P<rest>.*)", text, re.IGNORECASE)
        if not re.match(r"(:\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*|\[[a-z-]+(,\s*[a-z-]+)*\])[\s#:–-]+\S", silenced["rest"])
    ]
    assert not wrong, "write `# noqa: E501 - why` or `# type: ignore[arg-type]  # why`"


def test_no_file_speaks_of_the_machine_that_it_was_written_on() -> None:
    wrong = []
    for path in repository_files():
        if shown(path) in MACHINE_PATHS_ALLOWED:
            continue
        text = path.read_bytes().decode("utf-8", "replace")
        wrong += [f"{shown(path)} {words}" for words in MACHINE_PATHS if words in text]
    assert not wrong
