"""Tables on a terminal of any width."""

import io

from rich.console import Console
from rich.table import Table

from harness.cli.display import print_whole


def test_a_table_is_printed_whole_on_a_console_that_is_too_narrow():
    console = Console(file=io.StringIO(), width=20)
    table = Table("system", "latency")
    table.add_row("static-16-batching", "1234.5")
    print_whole(console, table)
    assert "static-16-batching" in console.file.getvalue()
    assert "1234.5" in console.file.getvalue()
