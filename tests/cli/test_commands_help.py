import json
import subprocess
import sys

from tests.cli.test_app import HEAVY

CODE = f"""
import json, sys
import typer.main
from typer.testing import CliRunner
from dinoflow_deploy.cli.app import app
codes = {{
    name: CliRunner().invoke(app, [name, "--help"]).exit_code
    for name in typer.main.get_command(app).commands
}}
print(json.dumps([codes, [name for name in {HEAVY!r} if name in sys.modules]]))
"""


def test_help_of_every_command_loads_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    codes, loaded = json.loads(done.stdout)
    assert {"doctor", "video"} <= codes.keys()
    assert set(codes.values()) == {0}
    assert loaded == []
