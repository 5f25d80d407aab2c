"""The witness of the platform tables: what is read out of azure-cli's generated commands."""

from __future__ import annotations

import hashlib
import textwrap
import zipfile
from pathlib import Path

import pytest

from driftguard.errors import BadConfiguration
from tests.tools.generated_commands import TYPE, WIDGET, WIDGETS, command, known, operation, sent, show
from tools.azure_cli_flags import wheel
from tools.azure_cli_flags.knowledge import Known
from tools.azure_cli_flags.operations import read_operations
from tools.azure_cli_flags.source import Sources


def flags(one: Known) -> dict[str, bool]:
    """Every leaf of the body, and whether it or something above it is flagged."""
    return {
        ".".join(steps): any(part.read_only for part in one.body.at(steps)) for steps, _ in one.body.leaves()
    }  # fmt: skip


def test_flags_are_read_with_the_names_of_json_through_lists_and_dictionaries() -> None:
    found = known(
        show("""
            top.zones = AAZListType()
            top.zones.Element = AAZStrType()
            top.properties = AAZObjectType(flags={"client_flatten": True})
            properties = cls._schema_on_200.properties
            properties.power_state = AAZStrType(serialized_name="powerState", flags={"read_only": True})
            properties.ports = AAZListType()
            properties.rules = AAZDictType(serialized_name="portRules")
            properties["in"] = AAZAnyType()
            ports = cls._schema_on_200.properties.ports
            ports.Element = AAZObjectType(flags={"read_only": True})
            _element = cls._schema_on_200.properties.ports.Element
            _element.number = AAZIntType()
            rules = cls._schema_on_200.properties.rules
            rules.Element = AAZBoolType()
        """)
    )[TYPE]
    assert found.place.type == "Microsoft.Toys/widgets" and found.version == "2025-01-01"
    assert flags(found) == {
        "zones.[*]": False,
        "properties.powerState": True,
        "properties.ports.[*].number": True,
        "properties.portRules.*": False,
        "properties.in": False,
    }


SHARED = """
    class _ShowHelper:
        @classmethod
        def _build_schema_widget_read(cls, _schema):
            if cls._schema_widget_read is not None:
                _schema.id = cls._schema_widget_read.id
                _schema.parent = cls._schema_widget_read.parent
                return
            cls._schema_widget_read = _schema_widget_read = AAZObjectType(flags={"read_only": True})
            widget_read = _schema_widget_read
            widget_read.id = AAZStrType()
            widget_read.parent = AAZObjectType(flags={"read_only": True})
            cls._build_schema_widget_read(widget_read.parent)
            _schema.id = cls._schema_widget_read.id
            _schema.parent = cls._schema_widget_read.parent
"""


def test_a_shared_schema_gives_its_members_and_not_its_own_flag_and_a_cycle_ends() -> None:
    found = known(
        show(
            "top.left = AAZObjectType()\n_ShowHelper._build_schema_widget_read(cls._schema_on_200.left)", helpers=SHARED
        )
    )[TYPE]
    assert flags(found) == {"left.id": False, "left.parent.id": True, "left.parent.parent": True}


def test_a_path_is_flagged_only_if_every_variant_that_knows_it_says_so() -> None:
    found = known(
        show("""
            top.kind = AAZStrType()
            disc_a = cls._schema_on_200.discriminate_by("kind", "A")
            disc_a.state = AAZStrType(flags={"read_only": True})
            disc_a.size = AAZStrType(flags={"read_only": True})
            disc_b = cls._schema_on_200.discriminate_by("kind", "B")
            disc_b.size = AAZStrType()
        """)
    )[TYPE]
    assert flags(found) == {"kind": False, "state": True, "size": False}


READ_ONLY, WRITABLE = 'top.size = AAZStrType(flags={"read_only": True})', "top.size = AAZStrType()"


def test_the_newest_stable_version_counts_and_answers_of_one_version_must_agree() -> None:
    newest = known(show(READ_ONLY, "2025-01-01"), show(WRITABLE, "2024-01-01"), show(WRITABLE, "2025-06-01-preview"))
    assert flags(newest[TYPE]) == {"size": True}
    for modules in ([show(READ_ONLY), show(WRITABLE)], [show(WRITABLE), show(READ_ONLY)]):
        assert flags(known(*modules)[TYPE]) == {"size": False}
    assert flags(known(show(READ_ONLY), show(READ_ONLY))[TYPE]) == {"size": True}


def test_a_list_counts_only_where_no_command_reads_one_resource() -> None:
    listed = """
        top.value = AAZListType(flags={"required": True})
        top.value.Element = AAZObjectType()
        top.value.Element.size = AAZStrType(flags={"read_only": True})
    """
    assert flags(known(show(listed, url=WIDGETS))[TYPE]) == {"size": True}
    assert flags(known(show(listed, url=WIDGETS), show(WRITABLE, "2020-01-01"))[TYPE]) == {"size": False}


def test_types_come_from_what_follows_the_last_provider_and_spelled_out_names_are_told() -> None:
    urls = [f"{WIDGET}/config/web", f"{WIDGET}/policies/default", f"{WIDGET}/providers/microsoft.toys/locks/{{l}}"]
    assert list(known(*[show(WRITABLE, url=url) for url in urls])) == [
        ("microsoft.toys/locks", ""),
        ("microsoft.toys/widgets/config", "web"),
        ("microsoft.toys/widgets/policies", ""),
    ]


WRITES = """
    _builder.set_prop("location", AAZStrType, ".location")
    _builder.set_prop("properties", AAZObjectType, typ_kwargs={"flags": {"client_flatten": True}})
    properties = _builder.get(".properties")
    if properties is not None:
        properties.set_prop("size", AAZObjectType, ".", typ_kwargs={"flags": {"required": True}})
        properties.set_prop("labels", AAZDictType, ".labels")
    size = _builder.get(".properties.size")
    if size is not None:
        size.set_prop("width", AAZIntType, ".width")
    labels = _builder.get(".properties.labels")
    if labels is not None:
        labels.set_elements(AAZStrType, ".")
    _elements = _builder.get(".properties.rules[]{kind:Big}")
    if _elements is not None:
        _ShowHelper._build_schema_rule_create(_elements.set_prop("rule", AAZObjectType, ".rule"))
"""
RULE = """
    class _ShowHelper:
        @classmethod
        def _build_schema_rule_create(cls, _builder):
            if _builder is None:
                return
            _builder.set_prop("name", AAZStrType, ".name")
            cls._build_schema_rule_create(_builder.set_prop("else", AAZObjectType, ".else_"))
"""


def test_what_a_command_writes_is_what_it_takes_from_an_argument() -> None:
    create = command(operation("PUT", WIDGET, "2025-01-01", sent(WRITES)), helpers=RULE)
    one = known(show(WRITABLE), create)[TYPE]
    assert one.has_write
    assert {".".join(steps) for steps in one.written} == {
        "location",
        "properties.size.width",
        "properties.labels",
        "properties.labels.*",
        "properties.rules.[*].rule",
        "properties.rules.[*].rule.name",
        "properties.rules.[*].rule.else",
    }


def updating(selected: str) -> str:
    changes = f"""
        class InstanceUpdateByJson(AAZJsonInstanceUpdateOperation):
            def __call__(self, *args, **kwargs):
                self._update_instance({selected})

            def _update_instance(self, instance):
                _instance_value, _builder = self.new_content_builder(self.ctx.args, value=instance, typ=AAZObjectType)
                _builder.set_prop("size", AAZStrType, ".size")
                return _instance_value
    """
    return command(operation("PUT", WIDGET, "2025-01-01", ""), textwrap.dedent(changes))


def test_an_update_by_instance_counts_for_its_put_unless_it_selects_a_part() -> None:
    assert known(show(WRITABLE), updating("self.ctx.vars.instance"))[TYPE].written == {("size",): "2025-01-01"}
    assert not known(show(WRITABLE), updating("self.ctx.selectors.subresource.get()"))[TYPE].written


@pytest.mark.parametrize(
    "strange", ["top.size = make_type()", "for one in (1, 2):\n    pass", "top.size = AAZNewType()"]
)
def test_code_that_the_reader_does_not_know_is_told_and_gives_no_shape(strange: str) -> None:
    reading = read_operations(Sources({"aaz/show.py": show(strange)}))
    assert len(reading.unread) == 1 and reading.unread[0].startswith("aaz/show.py: WidgetsGet._build_schema_on_200")
    assert not reading.operations


def test_only_the_pinned_wheel_is_read_and_only_its_generated_commands(tmp_path: Path) -> None:
    file = tmp_path / "azure_cli-9.9.9-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("azure/cli/command_modules/toys/aaz/latest/toys/_show.py", "class Show: pass")
        archive.writestr("azure/cli/command_modules/toys/custom.py", "raise SystemExit")
    pins = tmp_path / "pins.txt"
    pins.write_text(f"azure-cli==9.9.9 --hash=sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}\n")
    found = wheel.generated_sources(wheel.downloaded(tmp_path, pins))
    assert list(found) == ["azure/cli/command_modules/toys/aaz/latest/toys/_show.py"]
    pins.write_text(f"azure-cli==9.9.9 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(BadConfiguration, match="not the pinned wheel"):
        wheel.downloaded(tmp_path, pins)
