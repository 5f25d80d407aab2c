"""Writes the sources of small generated commands, in the form in which azure-cli has them."""

from __future__ import annotations

import textwrap

from tools.azure_cli_flags.knowledge import Known, known_types
from tools.azure_cli_flags.operations import read_operations
from tools.azure_cli_flags.source import Sources

WIDGETS = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Toys/widgets"
WIDGET = f"{WIDGETS}/{{widgetName}}"
TYPE = ("microsoft.toys/widgets", "")


def operation(verb: str, url: str, version: str, inner: str) -> str:
    """One operation class of a generated command; `inner` are its methods."""
    head = f'''
        class Widgets{verb.title()}(AAZHttpOperation):
            @property
            def url(self):
                return self.client.format_url(
                    "{url}",
                    **self.url_parameters
                )

            @property
            def method(self):
                return "{verb}"

            @property
            def query_parameters(self):
                parameters = {{
                    **self.serialize_query_param("api-version", "{version}", required=True),
                }}
                return parameters
    '''
    return textwrap.dedent(head) + textwrap.indent(textwrap.dedent(inner), " " * 4)


def answer(schema: str) -> str:
    """The method that builds the schema of a 200 answer on `top`."""
    head = """
        @classmethod
        def _build_schema_on_200(cls):
            if cls._schema_on_200 is not None:
                return cls._schema_on_200
            cls._schema_on_200 = AAZObjectType()
            top = cls._schema_on_200
    """
    return (
        textwrap.dedent(head) + textwrap.indent(textwrap.dedent(schema), " " * 4) + "\n    return cls._schema_on_200\n"
    )


def sent(body: str) -> str:
    """The method that builds a request body with `_builder`."""
    head = """
        @property
        def content(self):
            _content_value, _builder = self.new_content_builder(self.ctx.args, typ=AAZObjectType)
    """
    text = textwrap.dedent(head) + textwrap.indent(textwrap.dedent(body), " " * 4)
    return text + "\n    return self.serialize_content(_content_value)\n"


def command(*inner: str, helpers: str = "") -> str:
    """A generated module with one command."""
    return "class Show(AAZCommand):\n" + textwrap.indent("\n".join(inner), " " * 4) + "\n" + textwrap.dedent(helpers)


def show(schema: str, version: str = "2025-01-01", url: str = WIDGET, helpers: str = "") -> str:
    return command(operation("GET", url, version, answer(schema)), helpers=helpers)


def known(*modules: str) -> dict[tuple[str, str], Known]:
    reading = read_operations(Sources({f"aaz/{number}.py": text for number, text in enumerate(modules)}))
    assert not reading.unread
    return known_types(reading.operations)
