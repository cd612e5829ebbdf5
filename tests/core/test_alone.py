"""The core stands on the standard library alone."""

import json
import subprocess
import sys

PROGRAM = """
import importlib, json, pkgutil, sys
before = set(sys.modules)  # a virtual environment's own hooks are not ours
import inhouse.core
for module in pkgutil.iter_modules(inhouse.core.__path__, "inhouse.core."):
    importlib.import_module(module.name)
print(json.dumps(sorted({name.partition(".")[0] for name in set(sys.modules) - before})))
"""


def test_core_imports_only_the_standard_library():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert loaded - sys.stdlib_module_names - {"inhouse"} == set()
